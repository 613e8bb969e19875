import type { Batch, StoredBounds, StoredStream } from '../../../src/source/embedded/batch.ts'
import { streamName } from '../broker.ts'

export interface ImageBlock {
  readonly base: number
  readonly bytes: Buffer
}

/** What is durable: never changed, only followed by another one, so that whoever reads keeps a snapshot. */
export interface Image {
  readonly facts: ReadonlyMap<string, unknown>
  /** By `placeKey`, bases ascending. */
  readonly blocks: ReadonlyMap<string, readonly ImageBlock[]>
}

export const emptyImage: Image = { facts: new Map(), blocks: new Map() }

export const placeKey = (id: number, partition: number): string => `${id}/${partition}`

export const blocksOf = (image: Image, id: number, partition: number): readonly ImageBlock[] =>
  image.blocks.get(placeKey(id, partition)) ?? []

export const streamOf = ({ facts }: Image): StoredStream | undefined =>
  facts.get(`stream/${streamName}`) as StoredStream | undefined

export const boundsOf = ({ facts }: Image, id: number, partition: number): StoredBounds | undefined =>
  facts.get(`bounds/${id}/${partition}`) as StoredBounds | undefined

/** The image with the batch. What is written is copied now: the bytes are the writer's own until then. */
export function withBatch(image: Image, batch: Batch): Image {
  const facts = new Map(image.facts)
  for (const [key, value] of batch.facts) {
    if (value === undefined) facts.delete(key)
    else facts.set(key, structuredClone(value))
  }
  let next: Image = { facts, blocks: image.blocks }
  for (const { id, partition, base, block } of batch.blocks) {
    next = withBlock(next, placeKey(id, partition), base, block === null ? undefined : Buffer.from(block))
  }
  return next
}

export function withBlock({ facts, blocks }: Image, place: string, base: number, bytes: Buffer | undefined): Image {
  const others = (blocks.get(place) ?? []).filter((each) => each.base !== base)
  const list = bytes === undefined ? others : [...others, { base, bytes }].sort((a, b) => a.base - b.base)
  const next = new Map(blocks)
  if (list.length === 0) next.delete(place)
  else next.set(place, list)
  return { facts, blocks: next }
}
