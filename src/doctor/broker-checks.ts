import { counted, grouped } from '../base/numbers.ts'
import type { BrokerFacts, StreamFacts } from './broker-facts.ts'
import { type Finding, fail, pass, unknown, warn } from './finding.ts'
import { kafkaChecks } from './kafka-checks.ts'
import { natsChecks } from './nats-checks.ts'
import type { NatsMonitor } from './nats-monitor.ts'

/** Requirements of a gateway's configuration for the broker. */
export interface BrokerNeeds {
  /** How far back a starting gateway reads, ms. */
  readonly fillAgeMs: number
  /** How far back clients are served, ms; 0 = as far as the log reaches. */
  readonly maxAgeMs: number
  /** Payload bytes in a partition's window. */
  readonly windowBytes: number
  /** Maximum size of an event, bytes. */
  readonly maxEventBytes: number
  /** Current time on this host's clock, Unix ms. */
  readonly nowMs: number
  /** Report of the NATS server's monitoring port; undefined = not asked. */
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
    return fail('stream', topic, problem, 'docs/kafka.md and docs/nats.md describe how to set up a stream')
  if (info === undefined) return fail('stream', `no ${topic}`, 'the gateway waits for it', create)
  return pass('stream', `${topic}, ${counted(info.partitions, 'partition')}`, 'it exists and can be read')
}

function settingsChecks(facts: BrokerFacts, stream: StreamFacts, needs: BrokerNeeds): Finding[] {
  const { settings } = stream
  if (settings === undefined) return []
  if (settings.kind === 'refused') {
    return [unknown('settings', settings.problem, 'use an account that may see the settings, or ask an operator')]
  }
  const { topic, recent } = stream
  const of = { name: facts.name, topic, partitions: stream.info!.partitions }
  if (settings.kind === 'nats') return natsChecks(settings, { ...of, layout: settings.layout }, needs)
  return kafkaChecks(settings, { ...of, newestMs: recent?.newestMs }, needs)
}

/**
 * Checks whether the newest records are where the routes look for their subjects: clients of a
 * subject read no other partition.
 */
function placement({ topic, recent, info }: StreamFacts): Finding {
  const check = 'placement'
  if (recent?.problem !== undefined) return unknown(check, recent.problem)
  if (recent === undefined || recent.looked === 0)
    return unknown(check, `${topic} has no records yet`, 'publish one, and run this again')
  const misplaced = recent.faults.filter((fault) => fault.misplaced)
  const count = misplaced.reduce((sum, each) => sum + each.count, 0)
  const figure = `${grouped(count)} of ${counted(recent.looked, 'recent record')} misplaced`
  const [worst] = misplaced
  if (worst === undefined) return pass(check, figure, 'records are where the routes look for their subjects')
  const reason = `${worst.cause} (${worst.example})`
  return fail(check, figure, `clients never see them: ${reason}`, fixOf(worst.cause, info!.partitions))
}

/** Checks for records that are not events. */
function usability({ recent }: StreamFacts): Finding[] {
  const faults = recent?.faults.filter((fault) => !fault.misplaced) ?? []
  const [worst] = faults
  if (worst === undefined || recent === undefined) return []
  const count = faults.reduce((sum, each) => sum + each.count, 0)
  const figure = `${grouped(count)} of ${counted(recent.looked, 'recent record')} unusable`
  return [warn('records', figure, `they are skipped: ${worst.cause} (${worst.example})`, fixOf(worst.cause, 0))]
}

/** Returns the fix for a cause, which is at the end of its text. */
function fixOf(cause: string, partitions: number): string {
  const fix = /: ((?:set|give|let|add|raise|its producer must) .*)$/.exec(cause)?.[1]
  if (fix !== undefined) return fix
  return partitions > 0
    ? `carillon routes SUBJECT --partitions ${partitions}, and publish there`
    : 'carillon rejected, on the running gateway'
}
