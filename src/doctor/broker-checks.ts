import { counted, grouped } from '../base/numbers.ts'
import type { BrokerFacts, StreamFacts } from './broker-facts.ts'
import { type Finding, fail, pass, unknown, warn } from './finding.ts'
import { kafkaChecks } from './kafka-checks.ts'
import { natsChecks } from './nats-checks.ts'
import type { NatsMonitor } from './nats-monitor.ts'

/** What a gateway's configuration needs of the broker. */
export interface BrokerNeeds {
  /** How far back a starting gateway reads, ms. */
  readonly fillAgeMs: number
  /** How far back clients are served, ms; 0 = as far as the log goes. */
  readonly maxAgeMs: number
  /** Payloads that a partition's window holds, bytes. */
  readonly windowBytes: number
  /** The largest event, bytes. */
  readonly maxEventBytes: number
  /** Now, Unix ms, on this host's clock. */
  readonly nowMs: number
  /** What the NATS server's monitoring says; undefined = it was not asked. */
  readonly monitor?: NatsMonitor | undefined
}

export function brokerChecks(facts: BrokerFacts, needs: BrokerNeeds): Finding[] {
  if (facts.problem !== undefined) {
    const fix = 'start the broker, or correct --broker, its TLS and credentials in the configuration'
    return [fail('broker', facts.name, facts.problem, fix)]
  }
  const reached = pass('broker', facts.name, 'it answers')
  return [reached, ...facts.streams.flatMap((stream) => streamChecks(facts, stream, needs))]
}

function streamChecks(facts: BrokerFacts, stream: StreamFacts, needs: BrokerNeeds): Finding[] {
  const found = [presence(stream)]
  if (stream.info !== undefined) {
    found.push(...settingsChecks(facts, stream, needs), placement(stream), ...usability(stream))
  }
  return found.map((each) => ({ ...each, stream: stream.name }))
}

function presence({ topic, info, create, problem }: StreamFacts): Finding {
  if (problem !== undefined)
    return fail('stream', topic, problem, 'see docs/kafka.md or docs/nats.md for how to set up a stream')
  if (info === undefined) return fail('stream', `no ${topic}`, 'the gateway waits for it', create)
  return pass('stream', `${topic}, ${counted(info.partitions, 'partition')}`, 'it exists and can be read')
}

function settingsChecks(facts: BrokerFacts, stream: StreamFacts, needs: BrokerNeeds): Finding[] {
  const { settings } = stream
  if (settings === undefined) return []
  if (settings.kind === 'refused') {
    return [unknown('settings', settings.problem, 'an account that may read the settings; or ask an operator')]
  }
  const { topic, recent } = stream
  const of = { name: facts.name, topic, partitions: stream.info!.partitions }
  if (settings.kind === 'nats') return natsChecks(settings, { ...of, layout: settings.layout }, needs)
  return kafkaChecks(settings, { ...of, newestMs: recent?.newestMs }, needs)
}

/** Whether the newest records lie where the routes look for their subjects: clients of a subject read no other partition. */
function placement({ topic, recent, info }: StreamFacts): Finding {
  const check = 'placement'
  if (recent?.problem !== undefined) return unknown(check, recent.problem)
  if (recent === undefined || recent.looked === 0)
    return unknown(check, `${topic} has no records yet`, 'publish a record, then run this check again')
  const misplaced = recent.faults.filter((fault) => fault.misplaced)
  const count = misplaced.reduce((sum, each) => sum + each.count, 0)
  const figure = `${grouped(count)} of ${counted(recent.looked, 'recent record')} misplaced`
  const [worst] = misplaced
  if (worst === undefined) return pass(check, figure, 'records are where the routes look for their subjects')
  const said = `${worst.cause} (${worst.example})`
  return fail(check, figure, `clients never see them: ${said}`, mendOf(worst.cause, info!.partitions))
}

/** Records that are no events. */
function usability({ recent }: StreamFacts): Finding[] {
  const faults = recent?.faults.filter((fault) => !fault.misplaced) ?? []
  const [worst] = faults
  if (worst === undefined || recent === undefined) return []
  const count = faults.reduce((sum, each) => sum + each.count, 0)
  const figure = `${grouped(count)} of ${counted(recent.looked, 'recent record')} unusable`
  return [warn('records', figure, `they are skipped: ${worst.cause} (${worst.example})`, mendOf(worst.cause, 0))]
}

/** What a cause says has to be done; it says that last. */
function mendOf(cause: string, partitions: number): string {
  const mend = /: ((?:set|give|let|add|raise|its producer must) .*)$/.exec(cause)?.[1]
  if (mend !== undefined) return mend
  return partitions > 0
    ? `carillon routes SUBJECT --partitions ${partitions}, and publish there`
    : 'carillon rejected, on the running gateway'
}
