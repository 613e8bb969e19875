import type { ByteReader, ByteWriter } from './encoding.ts'
import type { KafkaRequest, Throttled } from './request.ts'

export interface FetchPartition {
  readonly partition: number
  /** The broker answers with an error if its own epoch differs. */
  readonly leaderEpoch: number
  readonly offset: number
  /**
   * Epoch of the last batch below `offset`, -1 = unknown. The broker answers `diverging` if its
   * log has a different epoch there.
   */
  readonly lastFetchedEpoch: number
}

export interface FetchLimits {
  readonly waitMs: number
  /** Total bytes, and bytes for one partition. */
  readonly bytes: number
  readonly partitionBytes: number
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/** The logs agree at most up to `endOffset`, where the leader's epoch `epoch` ends. */
export interface Divergence {
  readonly epoch: number
  readonly endOffset: number
}

export interface FetchedPartition {
  readonly partition: number
  /** Error code of the protocol, 0 = none. With an error, the bounds are -1. */
  readonly error: number
  /** The end of the records that all in-sync replicas have. */
  readonly highWatermark: number
  /**
   * The head for a read-committed reader. It is below the high watermark while a transaction is
   * open.
   */
  readonly lastStableOffset: number
  readonly logStart: number
  readonly aborted: readonly AbortedTransaction[]
  readonly diverging: Divergence | undefined
  /** Record batches: a view of the answer. The last one may be cut off. */
  readonly records: Buffer
}

export interface Fetched {
  /** The client exceeds its quota: the broker asked for a pause and returned no data. */
  readonly isThrottled: boolean
  readonly error: number
  readonly partitions: readonly FetchedPartition[]
}

const none = Buffer.alloc(0)
const noneAborted: readonly AbortedTransaction[] = []
const readCommitted = 1

/**
 * Fetch v13 (Kafka 3.1): the first version with topic ids. Reports errors for each partition.
 * Overwrites `body`, which must not be reused before the request is sent.
 */
export function fetchRequest(
  body: ByteWriter,
  topicId: string,
  partitions: readonly FetchPartition[],
  limits: FetchLimits,
): KafkaRequest<Fetched> {
  const consumer = -1
  const minBytes = 1
  const noSession = 0
  const finalEpoch = -1
  body.clear().noTags().int32(consumer).int32(limits.waitMs).int32(minBytes).int32(limits.bytes).int8(readCommitted)
  body.int32(noSession).int32(finalEpoch).compactLength(1).uuid(topicId).compactLength(partitions.length)
  for (const { partition, leaderEpoch, offset, lastFetchedEpoch } of partitions) {
    const followersLogStart = -1
    body.int32(partition).int32(leaderEpoch).int64(offset).int32(lastFetchedEpoch)
    body.int64(followersLogStart).int32(limits.partitionBytes).noTags()
  }
  body.noTags().compactLength(0).compactString('').noTags()
  return { apiKey: 1, apiName: 'Fetch', apiVersion: 13, body: body.written(), decode }
}

function decode(reader: ByteReader, throttled: Throttled): Fetched {
  reader.tags()
  const throttleMs = reader.int32()
  throttled(throttleMs)
  const error = reader.int16()
  reader.int32()
  const partitions: FetchedPartition[] = []
  for (let topics = reader.compactLength(); topics > 0; topics--) {
    reader.uuid()
    for (let n = reader.compactLength(); n > 0; n--) partitions.push(decodePartition(reader))
    reader.tags()
  }
  return { isThrottled: throttleMs > 0 && partitions.length === 0, error, partitions }
}

const divergingTag = 0

function decodePartition(reader: ByteReader): FetchedPartition {
  const partition = reader.int32()
  const error = reader.int16()
  const highWatermark = reader.int64()
  const lastStableOffset = reader.int64()
  const logStart = reader.int64()
  const aborted = decodeAborted(reader)
  reader.int32()
  const length = reader.compactLength()
  const records = length > 0 ? reader.bytes(length) : none
  let diverging: FetchedPartition['diverging']
  reader.tags((tag) => {
    if (tag === divergingTag) diverging = { epoch: reader.int32(), endOffset: reader.int64() }
  })
  return { partition, error, highWatermark, lastStableOffset, logStart, aborted, diverging, records }
}

function decodeAborted(reader: ByteReader): readonly AbortedTransaction[] {
  const length = reader.compactLength()
  if (length <= 0) return noneAborted
  const aborted: AbortedTransaction[] = []
  for (let n = length; n > 0; n--) {
    aborted.push({ producerId: reader.int64(), firstOffset: reader.int64() })
    reader.tags()
  }
  return aborted
}
