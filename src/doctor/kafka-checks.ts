import { bytes, counted, duration, grouped } from '../base/numbers.ts'
import type { KafkaSettings } from '../source/settings.ts'
import { type Finding, fail, pass, unknown, warn } from './finding.ts'
import { type Reach, retentionChecks } from './retention-checks.ts'

/** The topic to judge. */
export interface KafkaTopic {
  /** `kafka://h:9092,h2:9092` */
  readonly name: string
  readonly topic: string
  readonly partitions: number
  /** Record time of its newest record, Unix ms. */
  readonly newestMs: number | undefined
}

interface Needs extends Reach {
  readonly maxEventBytes: number
  readonly nowMs: number
}

const goodReplicas = 3
/** Bytes of batch and record in a request, besides the event. */
const recordOverhead = 512
/** Difference of clocks that is reported, ms. */
const clockMs = 1000

export function kafkaChecks(settings: KafkaSettings, of: KafkaTopic, needs: Needs): Finding[] {
  const number = (name: string) => limit(settings.configs.get(name))
  const fix = (config: string) => alter(of, config)
  return [
    replication(settings, of),
    inSync(settings, of),
    minInSync(settings, of),
    unclean(settings, of),
    transactions(settings, of),
    ...retentionChecks(
      { ageMs: number('retention.ms'), bytes: number('retention.bytes') },
      needs,
      (ms) => fix(`retention.ms=${ms}`),
      (size) => fix(`retention.bytes=${size}`),
    ),
    cleanup(settings, of),
    recordTime(settings, of),
    eventSize(settings, of, needs),
    clock(settings, of, needs),
  ]
}

/** Parses a limit; Kafka's -1 means none. */
function limit(text: string | undefined): number | undefined {
  const value = Number(text ?? -1)
  return value < 0 ? undefined : value
}

const server = ({ name }: KafkaTopic) => `--bootstrap-server ${name.replace('kafka://', '')}`

const alter = (of: KafkaTopic, config: string) =>
  `kafka-configs.sh ${server(of)} --alter --entity-type topics --entity-name ${of.topic} --add-config ${config}`

function replication({ replicas, brokers }: KafkaSettings, of: KafkaTopic): Finding {
  const check = 'replication'
  const figure = `${counted(replicas, 'copy', 'copies')} on ${counted(brokers, 'broker')}`
  const fix =
    brokers < goodReplicas
      ? `three brokers, then kafka-reassign-partitions.sh ${server(of)} --execute with three replicas for each partition of ${of.topic}`
      : `kafka-reassign-partitions.sh ${server(of)} --execute with three replicas for each partition of ${of.topic}`
  if (replicas >= goodReplicas) return pass(check, figure, 'its events survive the loss of two brokers')
  const reason =
    replicas === 1 ? 'its events are lost with that one disk' : 'while one broker is down, the other has the only copy'
  return replicas === 1 && brokers > 1 ? fail(check, figure, reason, fix) : warn(check, figure, reason, fix)
}

function inSync({ inSync, replicas, leaderless, configs }: KafkaSettings, of: KafkaTopic): Finding {
  const check = 'in sync'
  const needed = Number(configs.get('min.insync.replicas') ?? 1)
  const fix = `kafka-topics.sh ${server(of)} --describe --topic ${of.topic}, and look at the brokers that are missing`
  if (leaderless > 0) {
    return fail(
      check,
      `${counted(leaderless, 'partition')} of ${of.partitions} without a leader`,
      'they can be neither read nor written',
      fix,
    )
  }
  const figure = `at least ${inSync} of ${replicas}`
  if (inSync < needed)
    return fail(check, figure, `publishing needs ${needed} in sync (min.insync.replicas), so it is refused`, fix)
  if (inSync < replicas) return warn(check, figure, 'some copies are missing or behind', fix)
  return pass(check, figure, 'each copy is up to date')
}

function minInSync({ replicas, configs }: KafkaSettings, of: KafkaTopic): Finding {
  const check = 'min.insync.replicas'
  const least = Number(configs.get(check) ?? 1)
  const figure = `${least} of ${replicas}`
  const wanted = Math.max(1, replicas - 1)
  const fix = alter(of, `${check}=${wanted}`)
  if (least > replicas)
    return fail(check, figure, 'there are fewer copies than that: nothing can be published with acks=all', fix)
  if (replicas === 1) return pass(check, figure, 'there is one copy: see replication')
  if (least === replicas) return warn(check, figure, 'publishing stops while any one broker is down', fix)
  if (least === 1) return warn(check, figure, 'an acknowledged event may be on only one disk, and is lost with it', fix)
  return pass(check, figure, 'acknowledged events and publishing survive the loss of a broker')
}

function unclean({ configs }: KafkaSettings, of: KafkaTopic): Finding {
  const check = 'unclean elections'
  const value = configs.get('unclean.leader.election.enable') ?? 'false'
  if (value !== 'true') return pass(check, 'off', 'a copy that is behind never becomes the leader')
  const reason = 'a copy that is behind may become the leader: acknowledged events vanish (clients get gap rewritten)'
  return fail(check, 'on', reason, alter(of, 'unclean.leader.election.enable=false'))
}

function transactions({ blocked }: KafkaSettings, of: KafkaTopic): Finding {
  const check = 'open transactions'
  if (blocked.length === 0) return pass(check, 'none that lasts', 'no transaction holds readers back')
  const offsets = blocked.reduce((sum, each) => sum + each.offsets, 0)
  const figure = `${counted(offsets, 'offset')} in ${counted(blocked.length, 'partition')} held back`
  const { partition, from } = blocked[0]!
  const where = `--topic ${of.topic} --partition ${partition} --start-offset ${from}`
  const reason = `a transaction that has been open for a second or more hides them from all clients, in partition ${partition} from offset ${from} on`
  const find = `kafka-transactions.sh ${server(of)} find-hanging --topic ${of.topic}`
  return warn(
    check,
    figure,
    reason,
    `${find}; where its producer is gone: kafka-transactions.sh ${server(of)} abort ${where}`,
  )
}

function cleanup({ configs }: KafkaSettings, of: KafkaTopic): Finding {
  const check = 'cleanup'
  const policy = configs.get('cleanup.policy') ?? 'delete'
  if (!policy.includes('compact')) return pass(check, policy, 'events are deleted by age and size only')
  const reason =
    'only the newest event of each key is kept: a client that comes back misses the earlier ones, without a gap'
  return warn(check, policy, reason, alter(of, 'cleanup.policy=delete'))
}

function recordTime({ configs }: KafkaSettings, of: KafkaTopic): Finding {
  const check = 'record time'
  const type = configs.get('message.timestamp.type') ?? 'CreateTime'
  if (type === 'LogAppendTime')
    return pass(check, type, "records have the broker's time: ttl and latency trust one clock")
  const reason =
    "records have their producers' time: retention, ttl, `after: @time` and latency depend on clocks that may be wrong"
  return warn(check, type, reason, alter(of, 'message.timestamp.type=LogAppendTime'))
}

function eventSize({ configs }: KafkaSettings, of: KafkaTopic, { maxEventBytes }: Needs): Finding {
  const check = 'event size'
  const most = Number(configs.get('max.message.bytes') ?? 1_048_588)
  const figure = `${bytes(most)} a batch`
  const needed = maxEventBytes + recordOverhead
  if (most >= needed)
    return pass(check, figure, `the largest event (limits.maxEventBytes, ${bytes(maxEventBytes)}) fits`)
  // A limit that is equal on both sides leaves a few bytes too few for the overhead: that is not
  // worth a warning.
  if (most >= maxEventBytes)
    return pass(check, figure, `all but the very largest events (limits.maxEventBytes, ${bytes(maxEventBytes)}) fit`)
  const reason = `the gateway takes events of up to ${grouped(maxEventBytes)} bytes (limits.maxEventBytes), which the topic refuses`
  return warn(check, figure, reason, alter(of, `max.message.bytes=${needed}`))
}

function clock({ configs }: KafkaSettings, { newestMs }: KafkaTopic, { nowMs }: Needs): Finding {
  const check = 'broker clock'
  const stamped = configs.get('message.timestamp.type') === 'LogAppendTime'
  const whose = stamped ? "the broker's" : "a producer's"
  if (newestMs !== undefined && newestMs - nowMs > clockMs) {
    const figure = `${duration(newestMs - nowMs)} ahead of this host`
    return warn(
      check,
      figure,
      `${whose} clock gave the newest record a time in this host's future`,
      'chronyc tracking on both hosts',
    )
  }
  const reason = "Kafka's answers carry no time; the newest record's is not in this host's future"
  return unknown(
    check,
    newestMs === undefined ? "Kafka's answers carry no time, and there are no records yet" : reason,
    'chronyc tracking on both hosts',
  )
}
