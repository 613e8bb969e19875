import type { Random } from '../../../src/base/random.ts'
import type { PartitionLog } from '../partition-log.ts'
import type { DurableLog } from './durable-log.ts'
import { blocksOf, type ImageBlock, placeKey, streamOf, withBlock } from './image.ts'
import type { Medium } from './model-disk.ts'

/** What becomes of a block's bytes; undefined = they are not there any more. */
type Harm = (bytes: Buffer, random: Random) => Buffer | undefined

const harms: readonly Harm[] = [
  (bytes, random) => {
    const harmed = Buffer.from(bytes)
    harmed[Math.floor(random.next() * bytes.length)]! ^= 1 << Math.floor(random.next() * 8)
    return harmed
  },
  (bytes, random) => bytes.subarray(0, Math.floor(random.next() * bytes.length)),
  () => undefined,
]

/** Which blocks of a partition: their index among `count`, and how many in a row. */
type Which = (random: Random, count: number) => readonly [from: number, blocks: number]

export const damages: Readonly<Record<string, Which>> = {
  'a block is damaged': (random, count) => [Math.floor(random.next() * count), 1],
  'blocks in a row are damaged': (random, count) => [
    Math.floor(random.next() * count),
    2 + Math.floor(random.next() * 3),
  ],
  'the newest block is damaged': (_random, count) => [count - 1, 1],
  'the oldest block is damaged': () => [0, 1],
}

export function damage(medium: Medium, durable: DurableLog, log: PartitionLog, which: Which): void {
  const { random } = medium.surroundings
  const id = streamOf(medium.image)?.id
  const blocks = id === undefined ? [] : blocksOf(medium.image, id, log.partition)
  if (id === undefined || blocks.length === 0) return
  const [from, count] = which(random, blocks.length)
  for (const { base, bytes } of blocks.slice(from, from + count))
    harm(medium, placeKey(id, log.partition), { base, bytes })
  for (const { base } of blocks.slice(from, from + count)) durable.damaged(log, base)
}

function harm(medium: Medium, place: string, { base, bytes }: ImageBlock): void {
  const { random } = medium.surroundings
  if (bytes.length === 0) return
  const harmed = harms[Math.floor(random.next() * harms.length)]!(bytes, random)
  medium.image = withBlock(medium.image, place, base, harmed)
}
