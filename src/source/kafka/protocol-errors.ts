import { printable } from '../../base/printable.ts'

/** A broker's message is cut to this length. */
const maxMessageChars = 300

/**
 * Kafka's error codes that Carillon handles
 * (https://kafka.apache.org/protocol#protocol_error_codes).
 */
export const code = {
  offsetOutOfRange: 1,
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  requestTimedOut: 7,
  messageTooLarge: 10,
  invalidTopic: 17,
  recordListTooLarge: 18,
  topicAuthorizationFailed: 29,
  clusterAuthorizationFailed: 31,
  invalidTimestamp: 32,
  unsupportedVersion: 35,
  topicAlreadyExists: 36,
  invalidPartitions: 37,
  invalidReplicationFactor: 38,
  invalidReplicaAssignment: 39,
  invalidConfig: 40,
  invalidRequest: 42,
  unsupportedForMessageFormat: 43,
  policyViolation: 44,
  outOfOrderSequence: 45,
  duplicateSequence: 46,
  invalidProducerEpoch: 47,
  transactionalIdAuthorizationFailed: 53,
  unknownProducerId: 59,
  invalidRecord: 87,
  unknownTopicId: 100,
  inconsistentTopicId: 103,
} as const

const texts: Record<number, string> = {
  [-1]: 'an unexpected error of the broker, see its log (UNKNOWN_SERVER_ERROR)',
  [code.offsetOutOfRange]: 'the offset is not in the log (OFFSET_OUT_OF_RANGE)',
  [code.corruptMessage]: "the broker's copy of a batch is damaged (CORRUPT_MESSAGE)",
  [code.unknownTopicOrPartition]: 'the broker has no such topic or partition (UNKNOWN_TOPIC_OR_PARTITION)',
  [code.leaderNotAvailable]: 'the partition has no leader now (LEADER_NOT_AVAILABLE)',
  [code.notLeader]: 'the broker no longer leads the partition (NOT_LEADER_OR_FOLLOWER)',
  [code.requestTimedOut]: 'not enough replicas answered in time (REQUEST_TIMED_OUT)',
  9: 'the replica is not available (REPLICA_NOT_AVAILABLE)',
  19: 'fewer replicas are in sync than the topic requires (NOT_ENOUGH_REPLICAS)',
  20: 'fewer replicas are in sync than the topic requires (NOT_ENOUGH_REPLICAS_AFTER_APPEND)',
  [code.topicAuthorizationFailed]: 'TOPIC_AUTHORIZATION_FAILED',
  [code.clusterAuthorizationFailed]: 'CLUSTER_AUTHORIZATION_FAILED',
  [code.unsupportedVersion]: 'the broker is too old; Carillon needs Kafka 3.1 or newer (UNSUPPORTED_VERSION)',
  [code.invalidTopic]:
    'no topic may have this name, or another one has it but for "." and "_" (INVALID_TOPIC_EXCEPTION)',
  [code.invalidTimestamp]: "the topic does not accept the records' time: check this host's clock (INVALID_TIMESTAMP)",
  [code.invalidPartitions]: 'the number of partitions is not allowed (INVALID_PARTITIONS)',
  [code.invalidReplicationFactor]:
    "the broker's default.replication.factor is more than it has brokers (INVALID_REPLICATION_FACTOR)",
  [code.invalidReplicaAssignment]: 'the copies cannot be placed so (INVALID_REPLICA_ASSIGNMENT)',
  [code.invalidConfig]: 'the broker does not accept the configuration (INVALID_CONFIG)',
  [code.invalidRequest]: 'the broker does not accept the request (INVALID_REQUEST)',
  [code.unsupportedForMessageFormat]: "the topic's message format is too old (UNSUPPORTED_FOR_MESSAGE_FORMAT)",
  [code.policyViolation]: "the broker's policy forbids it (POLICY_VIOLATION)",
  [code.invalidRecord]: 'the topic does not accept the record (INVALID_RECORD)',
  56: "the broker's disk failed (KAFKA_STORAGE_ERROR)",
  74: 'the partition has a newer leader (FENCED_LEADER_EPOCH)',
  75: 'the broker does not know the newest leader yet (UNKNOWN_LEADER_EPOCH)',
  78: 'the new leader is not ready yet (OFFSET_NOT_AVAILABLE)',
  [code.unknownTopicId]: 'the broker has no topic with this id (UNKNOWN_TOPIC_ID)',
  [code.inconsistentTopicId]: "the topic's id has changed (INCONSISTENT_TOPIC_ID)",
}

/** Describes an error code, for people. */
export function protocolError(error: number): string {
  return texts[error] ?? `the broker answered with error ${error}`
}

/** An error code in an answer. */
export class KafkaAnswerError extends Error {
  readonly code: number
  /** The broker's message, with control characters escaped; '' = none. */
  readonly said: string

  constructor(error: number, what: string, said: string | null = null) {
    const message = printable((said ?? '').trim().slice(0, maxMessageChars))
    super(`${what}: ${answerText(error, message)}`)
    this.name = 'KafkaAnswerError'
    this.code = error
    this.said = message
  }
}

/** Describes the code, followed by the broker's message. */
export const answerText = (error: number, said: string): string =>
  said === '' ? protocolError(error) : `${protocolError(error)}; it said: ${said}`
