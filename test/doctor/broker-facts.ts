import type { BrokerFacts, StreamFacts } from '../../src/doctor/broker-facts.ts'
import type { KafkaSettings, NatsSettings } from '../../src/source/settings.ts'

const hourMs = 3_600_000

export const goodKafka: KafkaSettings = {
  kind: 'kafka',
  brokers: 3,
  replicas: 3,
  inSync: 3,
  leaderless: 0,
  blocked: [],
  configs: new Map([
    ['retention.ms', String(168 * hourMs)],
    ['retention.bytes', '-1'],
    ['min.insync.replicas', '2'],
    ['message.timestamp.type', 'LogAppendTime'],
    ['cleanup.policy', 'delete'],
    ['max.message.bytes', '1048588'],
    ['unclean.leader.election.enable', 'false'],
  ]),
}

export const goodNats: NatsSettings = {
  kind: 'nats',
  layout: 'family',
  version: '2.12.2',
  clustered: true,
  replicas: 3,
  current: 3,
  storage: 'file',
  maxAgeMs: 168 * hourMs,
  maxBytes: undefined,
  maxRecords: undefined,
  maxRecordsPerSubject: undefined,
  maxRecordBytes: undefined,
  maxConsumers: undefined,
  consumerProblem: undefined,
  discard: 'old',
  clockOffsetMs: 3,
  clockErrorMs: 2,
}

export const recent = { looked: 100, newestMs: 1e12 - 50, faults: [] }

/** Facts of a broker with one stream, all good except for the given changes. */
export function streamFacts(change: Partial<StreamFacts>): BrokerFacts {
  const info = { name: 'carillon', incarnation: 'i', partitions: 4 }
  const stream = {
    name: 'events',
    topic: 'carillon',
    info,
    create: 'create it',
    recent,
    settings: goodKafka,
    ...change,
  }
  return { kind: 'kafka', name: 'kafka://h:9092', streams: [stream] }
}
