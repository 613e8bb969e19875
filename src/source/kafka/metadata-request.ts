import { unknownGeneration } from '../../base/generation.ts'
import { type ByteReader, ByteWriter } from './encoding.ts'
import type { KafkaRequest, Throttled } from './request.ts'

/** The protocol's node id for "no node". */
export const noNode = -1

export interface BrokerAddress {
  readonly nodeId: number
  readonly address: string
}

export interface PartitionLeader {
  /** Node id; `noNode` = the partition has no leader now. */
  readonly leader: number
  readonly leaderEpoch: number
  /** Number of configured replicas, and of replicas in sync. */
  readonly replicas: number
  readonly inSync: number
}

export interface TopicMetadata {
  readonly brokers: readonly BrokerAddress[]
  /** Error code of the protocol for the topic, 0 = none. */
  readonly error: number
  /** Hex. Distinguishes a topic from an earlier one of the same name. */
  readonly topicId: string
  readonly partitions: readonly PartitionLeader[]
}

/** Metadata of a topic from one broker, which may be outdated. */
export interface HeardMetadata extends TopicMetadata {
  /**
   * Node id of the broker; `noNode` = it was asked at an address that the metadata does not list.
   */
  readonly from: number
}

const noId = Buffer.alloc(16)

/**
 * Metadata v12 (Kafka 2.8.1): the first version with topic ids, which distinguish a re-created
 * topic from the old one.
 */
export function metadataRequest(topic: string): KafkaRequest<TopicMetadata> {
  const body = new ByteWriter(64 + topic.length).noTags().compactLength(1)
  body.bytes(noId).compactString(topic).noTags()
  const autoCreate = 0
  const authorizedOperations = 0
  body.int8(autoCreate).int8(authorizedOperations).noTags()
  return { apiKey: 3, apiName: 'Metadata', apiVersion: 12, body: body.written(), decode }
}

function decode(reader: ByteReader, throttled: Throttled): TopicMetadata {
  reader.tags()
  throttled(reader.int32())
  const brokers: BrokerAddress[] = []
  for (let n = reader.compactLength(); n > 0; n--) brokers.push(decodeBroker(reader))
  reader.compactString()
  reader.int32()
  const topics = reader.compactLength()
  if (topics !== 1) throw new RangeError(`expected one topic in the metadata, got ${topics}`)
  const error = reader.int16()
  reader.compactString()
  const topicId = reader.uuid()
  reader.int8()
  const partitions: PartitionLeader[] = []
  for (let n = reader.compactLength(); n > 0; n--) {
    const [index, leader] = decodePartition(reader)
    partitions[index] = leader
  }
  for (let i = 0; i < partitions.length; i++)
    partitions[i] ??= { leader: noNode, leaderEpoch: unknownGeneration, replicas: 0, inSync: 0 }
  return { brokers, error, topicId, partitions }
}

function decodeBroker(reader: ByteReader): BrokerAddress {
  const nodeId = reader.int32()
  const host = reader.compactString() ?? ''
  const port = reader.int32()
  reader.compactString()
  reader.tags()
  return { nodeId, address: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}` }
}

function decodePartition(reader: ByteReader): [number, PartitionLeader] {
  reader.int16()
  const index = reader.int32()
  const leader = reader.int32()
  const leaderEpoch = reader.int32()
  const replicas = skipNodes(reader)
  const inSync = skipNodes(reader)
  // Offline replicas.
  skipNodes(reader)
  reader.tags()
  return [index, { leader, leaderEpoch, replicas, inSync }]
}

/** Skips a list of node ids and returns its length. */
function skipNodes(reader: ByteReader): number {
  const count = reader.compactLength()
  for (let n = count; n > 0; n--) reader.int32()
  return count
}
