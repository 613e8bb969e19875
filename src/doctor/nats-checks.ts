import { bytes, counted, duration, grouped } from '../base/numbers.ts'
import type { NatsSettings } from '../source/settings.ts'
import { type Finding, fail, pass, unknown, warn } from './finding.ts'
import type { NatsMonitor } from './nats-monitor.ts'
import { type Reach, retentionChecks } from './retention-checks.ts'

/** The family of streams to judge. */
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
/** Difference of clocks that is reported, ms. */
const clockMs = 1000
/** Sync interval above which a power failure is reported to lose too much, ms. */
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

/** Returns the command that edits each stream of the family. */
function edit({ name, topic, partitions, layout }: NatsFamily, change: string): string {
  const first = layout === 'single' ? topic : `${topic}-0`
  const each = partitions === 1 ? first : `${topic}-$p`
  const command = `nats -s ${name} stream edit ${each} ${change} --force`
  return partitions === 1 ? command : `for p in $(seq 0 ${partitions - 1}); do ${command}; done`
}

function replication({ replicas, clustered, version }: NatsSettings, of: NatsFamily): Finding {
  const check = 'replication'
  const figure = `${counted(replicas, 'copy', 'copies')}, nats-server ${version}${clustered ? '' : ' without a cluster'}`
  if (replicas >= goodReplicas) return pass(check, figure, 'one server may fail, and the streams stay available')
  const change = edit(of, `--replicas=${goodReplicas}`)
  const reason =
    replicas === 1
      ? 'its events are lost with that one disk'
      : 'two copies are available only while both servers are up'
  if (!clustered) return warn(check, figure, reason, `a cluster of three servers, then: ${change}`)
  return replicas === 1 ? fail(check, figure, reason, change) : warn(check, figure, reason, change)
}

function inSync({ current, replicas }: NatsSettings, { name }: NatsFamily): Finding {
  const check = 'in sync'
  const figure = `at least ${current} of ${replicas}`
  const fix = `nats -s ${name} stream report, and look at the servers that are missing`
  if (current >= replicas) return pass(check, figure, 'each copy is up to date')
  if (current <= replicas / 2) return fail(check, figure, 'without a majority nothing can be published', fix)
  return warn(check, figure, 'some copies are missing or behind', fix)
}

/**
 * Checks consumers. Each gateway needs one for each partition while it runs, and one more during
 * each read of older records.
 */
function consumers({ maxConsumers, consumerProblem }: NatsSettings): Finding {
  const check = 'consumers'
  const figure = maxConsumers === undefined ? 'unlimited' : `at most ${maxConsumers} a partition`
  const raise =
    "delete unused consumers, raise max_consumers of the stream and the account's limit, or grant the permissions in docs/nats.md"
  if (consumerProblem !== undefined)
    return fail(check, figure, `the gateway cannot create one: ${consumerProblem}`, raise)
  return pass(check, figure, 'the gateway can create one for each partition')
}

function counts({ maxRecords, maxRecordsPerSubject }: NatsSettings, of: NatsFamily): Finding {
  const check = 'record limits'
  if (maxRecordsPerSubject !== undefined) {
    const reason = 'each new event of a subject deletes older ones: a client that comes back misses them, without a gap'
    return warn(check, `${grouped(maxRecordsPerSubject)} a subject`, reason, edit(of, '--max-msgs-per-subject=-1'))
  }
  if (maxRecords === undefined) return pass(check, 'none', 'only age and size bound the log')
  const figure = `${grouped(maxRecords)} a partition`
  return warn(
    check,
    figure,
    'with many small events this limit deletes events before they reach the maximum age',
    edit(of, '--max-msgs=-1'),
  )
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
  const reason = 'a restart of the server loses the events, and storage cannot be changed later'
  return fail(check, 'memory', reason, 'create a stream with --storage=file, under another name or again')
}

function sync({ replicas }: NatsSettings, monitor: NatsMonitor | undefined): Finding {
  const check = 'sync'
  if (monitor === undefined) {
    return unknown(
      check,
      'only the monitoring port shows how often the server syncs to disk',
      '--nats-monitor http://HOST:8222',
    )
  }
  const { syncAlways, syncIntervalMs } = monitor
  if (syncAlways) return pass(check, 'always', 'an acknowledged event is on disk')
  const fix =
    'jetstream { sync_interval: always } in the configuration of each server, for events that must not be lost'
  if (syncIntervalMs === undefined)
    return unknown(check, "this server's monitoring port does not show its sync_interval", fix)
  const figure = `every ${duration(syncIntervalMs)}`
  if (syncIntervalMs <= syncMs) return pass(check, figure, 'a power failure loses little')
  const whose = replicas === 1 ? 'the one copy' : 'copies whose servers lose power together'
  const reason = `a power failure loses up to ${duration(syncIntervalMs)} of acknowledged events on ${whose}; clients get gap rewritten`
  return warn(check, figure, reason, fix)
}

function eventSize({ maxRecordBytes }: NatsSettings, of: NatsFamily, { maxEventBytes }: Needs): Finding {
  const check = 'event size'
  if (maxRecordBytes === undefined) return pass(check, 'unlimited', "the server's max_payload is the bound")
  const figure = bytes(maxRecordBytes)
  if (maxRecordBytes >= maxEventBytes)
    return pass(check, figure, `the largest event (limits.maxEventBytes, ${bytes(maxEventBytes)}) fits`)
  const reason = `the gateway takes events of up to ${grouped(maxEventBytes)} bytes (limits.maxEventBytes), which the stream refuses`
  return warn(check, figure, reason, edit(of, `--max-msg-size=${maxEventBytes}`))
}

function clock({ clockOffsetMs, clockErrorMs }: NatsSettings): Finding {
  const check = 'broker clock'
  if (clockOffsetMs === undefined)
    return unknown(check, "this server's answers carry no time", 'chronyc tracking on both hosts')
  const off = Math.abs(clockOffsetMs)
  const figure = `${grouped(Math.round(off))} ms ${clockOffsetMs < 0 ? 'behind' : 'ahead of'} this host, ± ${Math.ceil(clockErrorMs)} ms`
  if (off <= clockMs + clockErrorMs) return pass(check, figure, 'ttl and latency compare clocks that agree')
  return warn(check, figure, 'ttl, `after: @time` and latency are off by as much', 'chronyc tracking on both hosts')
}
