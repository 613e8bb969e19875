import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeToken, encodeToken, keyOf, type Position } from '../../src/wire/token.ts'

/** The page's token code is JavaScript without declarations, because browsers run it as it is. */
const page = await import(new URL('../../src/edge/page/token.js', import.meta.url).href)

const position: fc.Arbitrary<Position> = fc.record(
  {
    nameHash: fc.integer({ min: 0, max: 0xffffffff }),
    incarnationHash: fc.integer({ min: 0, max: 0xffffffff }),
    partition: fc.integer({ min: 0, max: 20_000 }),
    offset: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    generation: fc.integer({ min: -1, max: 0xffffffff }),
  },
  { noNullPrototype: true },
)
const positions = fc.uniqueArray(position, {
  minLength: 1,
  maxLength: 20,
  selector: keyOf,
})

const ofPage = ({ nameHash, incarnationHash, partition, offset, generation }: Position) => ({
  log: [nameHash, incarnationHash].map((hash) => hash.toString(16).padStart(8, '0')).join(''),
  partition,
  offset,
  generation,
})
const sorted = (list: readonly Position[]) =>
  list.toSorted((a, b) => a.nameHash - b.nameHash || a.incarnationHash - b.incarnationHash || a.partition - b.partition)

test('the page reads the tokens that the gateway writes', () => {
  fc.assert(
    fc.property(positions, (list) => {
      assert.deepEqual(page.positionsOf(encodeToken(list)), (list.length === 1 ? list : sorted(list)).map(ofPage))
    }),
  )
})

test('the gateway reads the tokens that the page writes', () => {
  fc.assert(
    fc.property(positions, (list) => {
      const progress = new page.Progress()
      for (const each of list) progress.move(encodeToken([each]))
      assert.deepEqual(sorted(decodeToken(progress.token())), sorted(list))
    }),
  )
})

test('a newer position of a partition replaces the older one, and other partitions keep theirs', () => {
  const at = (partition: number, offset: number): Position => ({
    nameHash: 7,
    incarnationHash: 8,
    partition,
    offset,
    generation: 3,
  })
  const progress = new page.Progress()
  progress.move(encodeToken([at(0, 10), at(1, 20), at(2, 30)]))
  progress.move(encodeToken([at(1, 25)]))
  assert.deepEqual(decodeToken(progress.token()), [at(0, 10), at(1, 25), at(2, 30)])
})
