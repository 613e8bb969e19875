import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../../src/bench/carillon/gateway.ts'
import { Child } from '../../src/bench/process/child.ts'
import type { Transport } from './clients.ts'
import type { LoadHandlers, Received } from './load.ts'
import type { PublishHandlers, Publishing } from './publish.ts'
import type { BrokerKind, Site } from './site.ts'
import { type Window, watch } from './window.ts'

export interface Run {
  readonly name: string
  readonly broker: BrokerKind
  /** undefined = events that nobody subscribes to. */
  readonly transport: Transport | undefined
  readonly clients: number
  readonly subjects: number
  /** Events a second. */
  readonly rate: number
  readonly seconds: number
}

export interface Measured {
  readonly run: Run
  readonly window: Window
  readonly published: Publishing
  readonly received: Received
  /** Deliveries that never came, of all that were published; by number, so that a repeated one makes up for none. */
  readonly lost: number
}

const dataBytes = 512
/** Compilers and caches are warm after so long, s; a shorter run is a trial. */
const maxWarmUpSeconds = 2
/** How long the last deliveries may take, ms. */
const settleMs = 5000

/** One gateway, one process of clients, one of publishing: events flow at a fixed rate, and the middle of it is measured. */
export async function measure(site: Site, run: Run): Promise<Measured> {
  const gateway = await site.gateway(run.broker, run.name.replaceAll(/\W+/g, '-'))
  const load = new Child<LoadHandlers>(new URL('load.ts', import.meta.url))
  const publisher = new Child<PublishHandlers>(new URL('publish.ts', import.meta.url))
  try {
    if (run.transport !== undefined) {
      const { transport, clients: count, subjects } = run
      await load.ask('connect', { port: gateway.port, transport, count, subjects })
      await gateway.subscribed(count)
    }
    return await flow(gateway, load, publisher, run)
  } finally {
    await Promise.all([load.end(), publisher.end(), gateway.end()])
  }
}

async function flow(
  gateway: Gateway,
  load: Child<LoadHandlers>,
  publisher: Child<PublishHandlers>,
  run: Run,
): Promise<Measured> {
  const { rate, subjects, broker } = run
  const port = broker === 'embedded' ? gateway.port : undefined
  await publisher.ask('start', { rate, subjects, dataBytes, configFile: gateway.configFile, port })
  await sleep(Math.min(maxWarmUpSeconds, run.seconds) * 1000)
  await load.ask('time', null)
  await publisher.ask('time', null)
  const window = await watch(gateway, [load, publisher], run.seconds)
  const timed = await load.ask('received', null)
  const published = await publisher.ask('stop', null)
  const expected = (published.events * run.clients) / subjects
  const all = await settled(load, expected)
  return {
    run,
    window,
    published,
    received: { ...all, p50Us: timed.p50Us, p99Us: timed.p99Us, maxUs: timed.maxUs },
    lost: expected - (all.events - all.repeated),
  }
}

async function settled(load: Child<LoadHandlers>, expected: number): Promise<Received> {
  const end = performance.now() + settleMs
  for (;;) {
    const received = await load.ask('received', null)
    if (received.events - received.repeated >= expected || performance.now() > end) return received
    await sleep(50)
  }
}
