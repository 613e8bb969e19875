import type { ClientHandlers } from './load/client-process.ts'
import type { NullHandlers, NullShape } from './load/null-server.ts'
import type { PublisherHandlers } from './load/publisher-process.ts'
import type { Load } from './load/scenario.ts'
import { followedSubjects } from './load/subjects.ts'
import { Child } from './process/child.ts'
import { cpuBetween, cpuOf } from './process/host.ts'
import type { Calibration } from './report/report.ts'

/** A modest load, so that neither end is the limit of the other, for as long as compilers need and then some. */
const clients = 200
const rate = 10_000
const ms = { warmup: 500, measured: 1000, publisher: 300 } as const

const shapes: readonly string[] = ['ws-protobuf', 'ws-json', 'sse-json'] satisfies NullShape[]

/** What a process of clients and one that publishes take at most on this host, found without any gateway in two seconds. */
export async function calibrate(conversation: string, load: Load): Promise<Calibration> {
  const perMessage = shapes.includes(conversation) ? await clientUs(conversation as NullShape, load) : Number.NaN
  return {
    clientUsPerMessage: perMessage,
    clientMessagesPerSecond: 1e6 / perMessage,
    publisherEventsPerSecond: await publisherRate(load),
  }
}

/** CPU of a process of clients, µs a message. */
async function clientUs(shape: NullShape, { payloadBytes }: Load): Promise<number> {
  const server = new Child<NullHandlers>(new URL('load/null-server.ts', import.meta.url))
  const child = new Child<ClientHandlers>(new URL('carillon/clients.ts', import.meta.url))
  try {
    const port = await server.ask('listen', { shape, payloadBytes })
    await child.ask('open', {
      conversation: shape,
      endpoints: [{ host: '127.0.0.1', port, tls: false }],
      first: 0,
      subjects: followedSubjects('one', clients, 1, 1),
      prefix: 'bench.null0.s',
      localAddress: undefined,
      slowEvery: 0,
    })
    await child.ask('connect', null)
    await server.ask('blast', { rate, ms: ms.warmup })
    const before = cpuOf(child.pid)
    const sent = await server.ask('blast', { rate, ms: ms.measured })
    return cpuBetween(before, cpuOf(child.pid)).totalUs / sent
  } finally {
    await Promise.all([server.end(), child.end()])
  }
}

async function publisherRate({ payloadBytes, subjects, spread, seed }: Load): Promise<number> {
  const publisher = new Child<PublisherHandlers>(new URL('carillon/publisher.ts', import.meta.url))
  try {
    const options = { prefix: 'bench.null0.s', subjects, spread, seed, payloadBytes }
    return await publisher.ask('calibrate', { options, forMs: ms.publisher })
  } finally {
    await publisher.end()
  }
}

/** Deliveries a second that a load brings to all clients. */
export function deliveriesPerSecond({ spread, rate: events, clients: all, subjects }: Load): number {
  if (spread === 'one') return events * all
  if (spread === 'each-own') return (events * all) / subjects
  let harmonic = 0
  let squares = 0
  for (let rank = 1; rank <= subjects; rank++) {
    harmonic += 1 / rank
    squares += 1 / rank ** 2
  }
  return (events * all * squares) / harmonic ** 2
}

/** Why the generator can't make this load; undefined where it can. */
export function tooMuch(
  load: Load,
  processes: number,
  { clientMessagesPerSecond, publisherEventsPerSecond }: Calibration,
): string | undefined {
  const wanted = deliveriesPerSecond(load)
  const can = clientMessagesPerSecond * processes
  const round = (value: number) => Math.round(value).toLocaleString('en')
  if (wanted > can) return `this load brings ${round(wanted)} messages a second, its clients can take ${round(can)}`
  if (load.rate <= publisherEventsPerSecond) return undefined
  return `this load has ${round(load.rate)} events a second, its publisher can make ${round(publisherEventsPerSecond)}`
}
