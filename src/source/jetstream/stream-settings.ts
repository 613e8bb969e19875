import { DiscardPolicy, type StreamInfo as JetStreamInfo, StorageType } from '@nats-io/jetstream'
import type { Clock } from '../../base/clock.ts'
import type { NatsSettings } from '../settings.ts'
import type { StreamInfo } from '../source.ts'
import type { JetStreamApi } from './api.ts'
import type { Layout } from './layout.ts'

/** Concurrent requests for settings of streams. */
const asksAtOnce = 16
const msOfNs = 1e-6

/** Returns the settings of a family's streams, as the server reports them. */
export async function familySettings(
  api: JetStreamApi,
  layout: Layout,
  stream: StreamInfo,
  clock: Clock,
): Promise<NatsSettings> {
  const { version, clustered, clock: read } = await serverOf(api, layout.stream(0), clock)
  const infos: JetStreamInfo[] = []
  for (let from = 0; from < stream.partitions; from += asksAtOnce) {
    const count = Math.min(asksAtOnce, stream.partitions - from)
    infos.push(...(await Promise.all(Array.from({ length: count }, (_, i) => infoOf(api, layout.stream(from + i))))))
  }
  const consumerProblem = await problemOfConsumers(api, layout, stream)
  const configs = infos.map(({ config }) => config)
  return {
    kind: 'nats',
    layout: layout.isSingle ? 'single' : 'family',
    version,
    clustered,
    replicas: Math.min(...configs.map(({ num_replicas }) => num_replicas)),
    current: Math.min(...infos.map(currentCopies)),
    storage: configs.some(({ storage }) => storage === StorageType.Memory) ? 'memory' : 'file',
    maxAgeMs: least(configs.map(({ max_age }) => max_age * msOfNs)),
    maxBytes: least(configs.map(({ max_bytes }) => max_bytes)),
    maxRecords: least(configs.map(({ max_msgs }) => max_msgs)),
    maxRecordsPerSubject: least(configs.map(({ max_msgs_per_subject }) => max_msgs_per_subject)),
    maxRecordBytes: least(configs.map(({ max_msg_size }) => max_msg_size)),
    maxConsumers: least(configs.map(({ max_consumers }) => max_consumers)),
    consumerProblem,
    discard: configs.some(({ discard }) => discard === DiscardPolicy.New) ? 'new' : 'old',
    ...read,
  }
}

const infoOf = (api: JetStreamApi, name: string): Promise<JetStreamInfo> =>
  api.run(`stream ${name}`, (manager) => manager.streams.info(name))

/**
 * Creates and drops one consumer for each partition, as a gateway would. Returns the first
 * refusal.
 */
async function problemOfConsumers(api: JetStreamApi, layout: Layout, stream: StreamInfo): Promise<string | undefined> {
  for (let from = 0; from < stream.partitions; from += asksAtOnce) {
    const count = Math.min(asksAtOnce, stream.partitions - from)
    const tried = Array.from({ length: count }, (_, i) => api.tryConsumer(layout.stream(from + i)))
    const refused = (await Promise.allSettled(tried)).find(({ status }) => status === 'rejected')
    if (refused !== undefined) return ((refused as PromiseRejectedResult).reason as Error).message
  }
  return undefined
}

/** Returns the server's version and clock offset; each answer carries the server's time. */
function serverOf(api: JetStreamApi, name: string, clock: Clock) {
  return api.run(`stream ${name}`, async (manager, connection) => {
    const asked = clock.nowUs() / 1000
    const { ts } = await manager.streams.info(name)
    const answered = clock.nowUs() / 1000
    const server = Date.parse(ts ?? '')
    const clockErrorMs = (answered - asked) / 2
    const clockOffsetMs = Number.isNaN(server) ? undefined : server - (asked + answered) / 2
    const { version = '', cluster } = connection.info ?? {}
    return { version, clustered: cluster !== undefined, clock: { clockOffsetMs, clockErrorMs } }
  })
}

/**
 * Counts the leader, if there is one, and the followers that keep up. A server without a cluster
 * holds the only copy.
 */
function currentCopies({ cluster }: JetStreamInfo): number {
  if (cluster === undefined || cluster === null) return 1
  const followers = (cluster.replicas ?? []).filter(({ current, offline }) => current && offline !== true)
  return followers.length + (cluster.leader ? 1 : 0)
}

/** Returns the lowest limit that is set; JetStream uses 0 or -1 for "no limit". */
function least(limits: readonly number[]): number | undefined {
  const set = limits.filter((limit) => limit > 0)
  return set.length === 0 ? undefined : Math.min(...set)
}
