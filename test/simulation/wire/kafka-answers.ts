import { type ByteReader, ByteWriter } from '../../../src/source/kafka/encoding.ts'
import type { Aborted } from './kafka-log.ts'

// Decodes requests as the adapter writes them, and encodes answers as Kafka does
// (https://kafka.apache.org/protocol): Fetch v13, Metadata v12, ListOffsets v4, Produce v8,
// InitProducerId v1. Bodies of flexible versions begin with the tagged fields of their header.

export const apiKey = { produce: 0, fetch: 1, listOffsets: 2, metadata: 3, initProducerId: 22 } as const

export interface AskedPartition {
  readonly partition: number
  readonly leaderEpoch: number
  readonly offset: number
  readonly lastFetchedEpoch: number
  readonly maxBytes: number
}

export interface AskedFetch {
  readonly maxWaitMs: number
  readonly maxBytes: number
  readonly topicId: string
  readonly partitions: readonly AskedPartition[]
}

export function readFetch(reader: ByteReader): AskedFetch {
  reader.tags()
  reader.int32()
  const maxWaitMs = reader.int32()
  reader.int32()
  const maxBytes = reader.int32()
  reader.int8()
  reader.int32()
  reader.int32()
  reader.compactLength()
  const topicId = reader.uuid()
  const partitions = Array.from({ length: reader.compactLength() }, () => {
    const [partition, leaderEpoch, offset] = [reader.int32(), reader.int32(), reader.int64()]
    const lastFetchedEpoch = reader.int32()
    reader.int64()
    const maxBytes = reader.int32()
    reader.tags()
    return { partition, leaderEpoch, offset, lastFetchedEpoch, maxBytes }
  })
  return { maxWaitMs, maxBytes, topicId, partitions }
}

export interface FetchAnswer {
  readonly partition: number
  readonly error: number
  readonly high: number
  readonly stable: number
  readonly first: number
  readonly aborted: readonly Aborted[]
  readonly records: Buffer
  readonly diverging?: { readonly epoch: number; readonly endOffset: number }
  /** The current leader, sent with some errors (KIP-951). */
  readonly leader?: Leader
}

const divergingTag = 0
const leaderTag = 1

export function writeFetch(topicId: string, answers: readonly FetchAnswer[], throttleMs: number): Buffer {
  const writer = new ByteWriter().noTags().int32(throttleMs).int16(0).int32(0)
  // A throttled client receives no data (KIP-219).
  if (throttleMs > 0) return writer.compactLength(0).noTags().written()
  writer.compactLength(1).uuid(topicId).compactLength(answers.length)
  for (const { partition, error, high, stable, first, aborted, records, diverging, leader } of answers) {
    writer.int32(partition).int16(error).int64(high).int64(stable).int64(first).compactLength(aborted.length)
    for (const { producerId, firstOffset } of aborted) writer.int64(producerId).int64(firstOffset).noTags()
    writer.int32(-1).compactLength(records.length).bytes(records)
    writer.uvarint((diverging === undefined ? 0 : 1) + (leader === undefined ? 0 : 1))
    if (diverging !== undefined) {
      writer.uvarint(divergingTag).uvarint(13).int32(diverging.epoch).int64(diverging.endOffset).noTags()
    }
    if (leader !== undefined) writer.uvarint(leaderTag).uvarint(9).int32(leader.node).int32(leader.epoch).noTags()
  }
  return writer.noTags().noTags().written()
}

export interface Leader {
  /** −1 = none. */
  readonly node: number
  readonly epoch: number
}

export interface MetadataAnswer {
  readonly nodes: readonly { readonly id: number; readonly host: string; readonly port: number }[]
  readonly topic: string
  readonly error: number
  readonly topicId: string
  readonly partitions: readonly { readonly index: number; readonly leader: Leader }[]
}

export function readMetadata(reader: ByteReader): string {
  reader.tags()
  reader.compactLength()
  reader.uuid()
  return reader.compactString() ?? ''
}

const leaderNotAvailable = 5

export function writeMetadata(answer: MetadataAnswer, throttleMs: number): Buffer {
  const { nodes, topic, error, topicId, partitions } = answer
  const writer = new ByteWriter().noTags().int32(throttleMs).compactLength(nodes.length)
  for (const { id, host, port } of nodes) writer.int32(id).compactString(host).int32(port).uvarint(0).noTags()
  writer
    .compactString('cluster')
    .int32(nodes[0]?.id ?? -1)
    .compactLength(1)
  writer.int16(error).compactString(topic).uuid(topicId).int8(0).compactLength(partitions.length)
  for (const { index, leader } of partitions) {
    writer
      .int16(leader.node < 0 ? leaderNotAvailable : 0)
      .int32(index)
      .int32(leader.node)
      .int32(leader.epoch)
    for (const list of [nodes, nodes, []]) {
      writer.compactLength(list.length)
      for (const { id } of list) writer.int32(id)
    }
    writer.noTags()
  }
  return writer.int32(0).noTags().noTags().written()
}

export interface AskedOffset {
  readonly topic: string
  readonly partition: number
  readonly leaderEpoch: number
  readonly timeMs: number
}

/** `offset` -1 = none. */
export interface OffsetAnswer {
  readonly error: number
  readonly offset: number
}

export function readOffsets(reader: ByteReader): AskedOffset {
  reader.int32()
  reader.int8()
  reader.int32()
  const topic = reader.string()
  reader.int32()
  return { topic, partition: reader.int32(), leaderEpoch: reader.int32(), timeMs: reader.int64() }
}

export function writeOffset(asked: AskedOffset, answer: OffsetAnswer, throttleMs: number): Buffer {
  const { topic, partition } = asked
  const { error, offset } = answer
  const writer = new ByteWriter().int32(throttleMs).int32(1).string(topic).int32(1).int32(partition).int16(error)
  return writer.int64(-1).int64(offset).int32(-1).written()
}

export interface AskedProduce {
  readonly timeoutMs: number
  readonly topic: string
  readonly partition: number
  readonly batch: Buffer
}

export function readProduce(reader: ByteReader): AskedProduce {
  reader.int16()
  reader.int16()
  const timeoutMs = reader.int32()
  reader.int32()
  const topic = reader.string()
  reader.int32()
  const partition = reader.int32()
  return { timeoutMs, topic, partition, batch: reader.bytes(reader.int32()) }
}

export function writeProduced(asked: AskedProduce, error: number, base: number, throttleMs: number): Buffer {
  const { topic, partition } = asked
  const writer = new ByteWriter().int32(1).string(topic).int32(1).int32(partition).int16(error)
  return writer.int64(base).int64(-1).int64(-1).int32(0).int16(-1).int32(throttleMs).written()
}

export function writeProducerId(producerId: number, throttleMs: number): Buffer {
  return new ByteWriter().int32(throttleMs).int16(0).int64(producerId).int16(0).written()
}
