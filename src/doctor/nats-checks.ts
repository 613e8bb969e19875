import { bytes, counted, duration, grouped } from '../base/numbers.ts'
import type { NatsSettings } from '../source/settings.ts'
import { type Finding, fail, pass, unknown, warn } from './finding.ts'
import type { NatsMonitor } from './nats-monitor.ts'
import { type Reach, retentionChecks } from './retention-checks.ts'

/** The family of streams that is judged. */
export interface NatsFamily {
  /** `nats://h:4222` */
  readonly name: string
  readonly topic: string
  readonly partitions: number
  readonly layout: NatsSettings['layout']
}

interface Needs extends Reach {
  readonly maxEventBytes: number
  readonly monitor?: NatsMonitor | undefined
}

const goodReplicas = 3
/** Clocks may differ so much before it is told, ms. */
const clockMs = 1000
/** What a power cut may take of one copy before it is told, ms. */
const syncMs = 1000

export function natsChecks(settings: NatsSettings, of: NatsFamily, needs: Needs): Finding[] {
  const { maxAgeMs: ageMs, maxBytes } = settings
  return [
    replication(settings, of),
    inSync(settings, of),
    ...retentionChecks(
      { ageMs, bytes: maxBytes },
      needs,
      (ms) => edit(of, `--max-age=${Math.ceil(ms / 1000)}s`),
      (size) => edit(of, `--max-bytes=${size}`),
    ),
    consumers(settings),
    counts(settings, of),
    discard(settings, of),
    storage(settings),
    sync(settings, needs.monitor),
    eventSize(settings, of, needs),
    clock(settings),
  ]
}

/** For each stream of the family. */
function edit({ name, topic, partitions, layout }: NatsFamily, change: string): string {
  const first = layout === 'single' ? topic : `${topic}-0`
  const each = partitions === 1 ? first : `${topic}-$p`
  const command = `nats -s ${name} stream edit ${each} ${change} --force`
  return partitions === 1 ? command : `for p in $(seq 0 ${partitions - 1}); do ${command}; done`
}

function replication({ replicas, clustered, version }: NatsSettings, of: NatsFamily): Finding {
  const check = 'replication'
  const figure = `${counted(replicas, 'copy', 'copies')}, nats-server ${version}${clustered ? '' : ' without a cluster'}`
  if (replicas >= goodReplicas) return pass(check, figure, 'if a server fails, the streams continue')
  const change = edit(of, `--replicas=${goodReplicas}`)
  const said =
    replicas === 1 ? 'if that one disk fails, all events are lost' : 'with two copies, both servers must be up'
  if (!clustered) return warn(check, figure, said, `a cluster of three servers, then: ${change}`)
  return replicas === 1 ? fail(check, figure, said, change) : warn(check, figure, said, change)
}

function inSync({ current, replicas }: NatsSettings, { name }: NatsFamily): Finding {
  const check = 'in sync'
  const figure = `at least ${current} of ${replicas}`
  const fix = `nats -s ${name} stream report, then check the missing servers`
  if (current >= replicas) return pass(check, figure, 'each copy is up to date')
  if (current <= replicas / 2) return fail(check, figure, 'without a majority, nothing can be published', fix)
  return warn(check, figure, 'copies are missing or behind', fix)
}

/** Each gateway needs one of each partition for as long as it runs, and each read of the past one more for a moment. */
function consumers({ maxConsumers, consumerProblem }: NatsSettings): Finding {
  const check = 'consumers'
  const figure = maxConsumers === undefined ? 'unlimited' : `at most ${maxConsumers} a partition`
  const raise =
    "delete consumers that nobody needs, raise max_consumers of the stream and the account's limit, or grant the permissions in docs/nats.md"
  if (consumerProblem !== undefined)
    return fail(check, figure, `the server gives the gateway no consumer: ${consumerProblem}`, raise)
  return pass(check, figure, 'the gateway gets a consumer for each partition')
}

function counts({ maxRecords, maxRecordsPerSubject }: NatsSettings, of: NatsFamily): Finding {
  const check = 'record limits'
  if (maxRecordsPerSubject !== undefined) {
    const said = 'each new event removes older ones of its subject: a client that comes back misses them, without a gap'
    return warn(check, `${grouped(maxRecordsPerSubject)} a subject`, said, edit(of, '--max-msgs-per-subject=-1'))
  }
  if (maxRecords === undefined) return pass(check, 'none', 'only age and size limit the log')
  const figure = `${grouped(maxRecords)} a partition`
  return warn(check, figure, 'many small events fill the log before its age limit', edit(of, '--max-msgs=-1'))
}

function discard({ discard, maxBytes, maxRecords }: NatsSettings, of: NatsFamily): Finding {
  const check = 'discard'
  if (discard === 'old') return pass(check, 'old', 'a full stream drops its oldest events')
  if (maxBytes === undefined && maxRecords === undefined)
    return pass(check, 'new, without limits', 'the stream is never full')
  return warn(check, 'new', 'a full stream refuses new events: publishing stops', edit(of, '--discard=old'))
}

function storage({ storage }: NatsSettings): Finding {
  const check = 'storage'
  if (storage === 'file') return pass(check, 'file', 'events survive a restart of the server')
  const said = 'a restart of the server loses the events, and the storage cannot be changed later'
  return fail(check, 'memory', said, 'a stream with --storage=file, under another name, or created again')
}

function sync({ replicas }: NatsSettings, monitor: NatsMonitor | undefined): Finding {
  const check = 'sync'
  if (monitor === undefined) {
    return unknown(
      check,
      'only the monitoring port of the server shows how often it syncs to disk',
      '--nats-monitor http://HOST:8222',
    )
  }
  const { syncAlways, syncIntervalMs } = monitor
  if (syncAlways) return pass(check, 'always', 'an acknowledged event is on disk')
  const fix =
    'jetstream { sync_interval: always } in the configuration of each server, for events that must not be lost'
  if (syncIntervalMs === undefined)
    return unknown(check, "this server's monitoring port does not show its sync_interval", fix)
  const figure = `each ${duration(syncIntervalMs)}`
  if (syncIntervalMs <= syncMs) return pass(check, figure, 'a power failure loses little')
  const whose = replicas === 1 ? 'the one copy' : 'copies whose servers lose power together'
  const said = `a power failure loses up to ${duration(syncIntervalMs)} of acknowledged events from ${whose}; clients get gap rewritten`
  return warn(check, figure, said, fix)
}

function eventSize({ maxRecordBytes }: NatsSettings, of: NatsFamily, { maxEventBytes }: Needs): Finding {
  const check = 'event size'
  if (maxRecordBytes === undefined) return pass(check, 'unlimited', "the server's max_payload is the limit")
  const figure = bytes(maxRecordBytes)
  if (maxRecordBytes >= maxEventBytes)
    return pass(check, figure, `the largest event (limits.maxEventBytes, ${bytes(maxEventBytes)}) fits`)
  const said = `the gateway accepts events of up to ${grouped(maxEventBytes)} bytes (limits.maxEventBytes), which the stream refuses`
  return warn(check, figure, said, edit(of, `--max-msg-size=${maxEventBytes}`))
}

function clock({ clockOffsetMs, clockErrorMs }: NatsSettings): Finding {
  const check = 'broker clock'
  if (clockOffsetMs === undefined)
    return unknown(check, "this server's answers carry no time", 'chronyc tracking on both hosts')
  const off = Math.abs(clockOffsetMs)
  const figure = `${grouped(Math.round(off))} ms ${clockOffsetMs < 0 ? 'behind' : 'ahead of'} this host, to ${Math.ceil(clockErrorMs)} ms`
  if (off <= clockMs + clockErrorMs) return pass(check, figure, 'the clocks that ttl and latency compare agree')
  return warn(check, figure, 'ttl, `after: @time` and latency are wrong by that much', 'chronyc tracking on both hosts')
}
