import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import type { EdgeContext } from '../../src/edge/context.ts'
import { type Caller, Doorway, doorwayLimits } from '../../src/edge/doorway.ts'
import type { Exchange } from '../../src/edge/exchange.ts'
import { Pump } from '../../src/session/pump.ts'

/** A doorway whose turns are run by hand, each entry taking 0.1 ms. */
function doorway() {
  const turns: (() => void)[] = []
  let nowMs = 0
  const refused: string[] = []
  const context = { countRefusal: (code: string) => refused.push(code) } as unknown as EdgeContext
  const door = new Doorway(
    context,
    new Pump(
      (turn) => turns.push(turn),
      () => nowMs,
    ),
  )
  const entered: number[] = []
  const knock = (number: number, exchange = { open: true, refuse: () => {} }) => {
    door.admit(exchange as unknown as Exchange, () => {
      nowMs += 0.1
      entered.push(number)
    })
    return exchange
  }
  return { door, turns, entered, refused, knock }
}

test('of many that knock at once some enter in each turn, in their order', () => {
  const { turns, entered, knock } = doorway()
  for (let i = 0; i < 20; i++) knock(i)
  assert.deepEqual(entered, [])
  turns.shift()!()
  assert.ok(entered.length >= 5 && entered.length <= 6, `${entered.length} entered in half a millisecond`)
  while (turns.length > 0) turns.shift()!()
  assert.deepEqual(entered, [...Array(20).keys()])
})

test('who has gone meanwhile does not enter, and what an entry throws is its answer', () => {
  const { door, turns, entered, refused, knock } = doorway()
  const gone = knock(1)
  gone.open = false
  const answers: string[] = []
  const exchange = { open: true, refuse: ({ code }: CarillonError) => answers.push(code) }
  door.admit(exchange as unknown as Exchange, () => {
    throw new CarillonError('overloaded', 'full')
  })
  knock(3)
  turns.shift()!()
  assert.deepEqual([entered, refused, answers], [[3], ['overloaded'], ['overloaded']])
})

test('frames may wait up to so many bytes, of one connection and in all', () => {
  const { door } = doorway()
  const { callerBytes, bytes } = doorwayLimits
  const callers = Array.from({ length: bytes / callerBytes + 1 }, (): Caller => {
    return { queued: false, waitingBytes: 0, run: () => false }
  })
  const [first, ...others] = callers
  assert.equal(door.takes(first!, callerBytes), true)
  assert.equal(door.takes(first!, 1), false)
  assert.equal(others.filter((caller) => door.takes(caller, callerBytes)).length, others.length - 1)
  door.taken(first!, callerBytes)
  assert.equal(door.takes(others.at(-1)!, callerBytes), true)
})
