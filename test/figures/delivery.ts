import { Bench, type Progress } from '../../src/bench/bench.ts'
import type { CarillonConversation } from '../../src/bench/carillon/conversations.ts'
import { type Load, loadOf } from '../../src/bench/load/scenario.ts'
import type { Measured } from '../../src/bench/report/measured.ts'
import { Stop } from '../../src/bench/stop.ts'
import { GatewayTarget } from './gateway-target.ts'
import type { BrokerKind, Site } from './site.ts'

/** Transports by their names in the tables. */
export const conversations = {
  'ws-proto': 'ws-protobuf',
  'ws-json': 'ws-json',
  sse: 'sse-json',
  poll: 'poll-json',
} as const satisfies Record<string, CarillonConversation>
export type Transport = keyof typeof conversations

export interface Run {
  readonly name: string
  readonly broker: BrokerKind
  /** undefined = events that nobody subscribes to. */
  readonly transport: Transport | undefined
  readonly clients: number
  /** Each client has one of its own, or all have the one. */
  readonly subjects: number
  /** Events a second. */
  readonly rate: number
  readonly seconds: number
}

/** Compilers and caches are warm after so long, s; a shorter run is a trial. */
const maxWarmUpSeconds = 2
const silent: Progress = { step() {}, connecting() {}, second() {} }

function loadOfRun({ clients, subjects, rate, seconds }: Run): Load {
  const timing = { durationS: seconds, warmupS: Math.min(maxWarmUpSeconds, seconds) }
  const scenario = subjects === 1 ? 'broadcast' : 'unicast'
  return { ...loadOf(scenario, { clients, rate, payloadBytes: 512, ...timing }), subjects }
}

/** One gateway, clients and a publisher as processes of their own: events flow at a fixed rate, and the middle of it is measured. */
export async function measure(site: Site, run: Run): Promise<Measured> {
  const start = () => site.gateway(run.broker, run.name.replaceAll(/\W+/g, '-'))
  const target = new GatewayTarget(start, conversations[run.transport ?? 'ws-proto'])
  const stop = new Stop()
  const bench = new Bench({ target, load: loadOfRun(run), stop, progress: silent, calibrated: false })
  try {
    await bench.open()
    const measured = await bench.measure()
    if (stop.problem !== undefined) throw new Error(`${run.name}: ${stop.problem}`)
    return measured
  } finally {
    await bench.close()
  }
}
