import { monotonicUs } from '../../src/bench/load/payload.ts'
import { answer } from '../../src/bench/process/child.ts'
import { Histogram } from '../../src/telemetry/histogram.ts'
import { type Client, openClient, type Transport } from './clients.ts'
import { subjectOf } from './subjects.ts'

/** The process that holds the clients: it connects them, and counts and times what they get. */

/** Handshakes at once. */
const maxHandshakes = 100

export interface ConnectOptions {
  readonly port: number
  readonly transport: Transport
  readonly count: number
  /** How many subjects they share: client i has number i modulo this. */
  readonly subjects: number
}

export interface Received {
  readonly events: number
  /** Numbers of a subject that were passed over. */
  readonly missing: number
  /** Numbers that came again, or late. */
  readonly repeated: number
  /** Due → received, of the events since `time`, µs. */
  readonly p50Us: number
  readonly p99Us: number
  readonly maxUs: number
  /** Connections that the gateway ended. */
  readonly gone: number
}

const clients: Client[] = []
let latency = new Histogram()
let events = 0
let missing = 0
let repeated = 0
let gone = 0

/** Counts one client's events: each subject's are numbered from 0 without holes. */
function counter(): (dueUs: number, number: number) => void {
  let next = 0
  return (dueUs, number) => {
    events++
    latency.record(monotonicUs() - dueUs)
    if (number < next) repeated++
    else {
      missing += number - next
      next = number + 1
    }
  }
}

async function connect({ port, transport, count, subjects }: ConnectOptions): Promise<void> {
  const end = clients.length + count
  const onGone = () => {
    gone++
  }
  let next = clients.length
  const connectSome = async () => {
    while (next < end) {
      const subject = subjectOf(next++ % subjects)
      clients.push(await openClient({ port, transport, subject, onEvent: counter(), onGone }))
    }
  }
  await Promise.all(Array.from({ length: maxHandshakes }, connectSome))
}

function received(): Received {
  const [p50Us, p99Us] = [latency.quantile(0.5), latency.quantile(0.99)]
  return { events, missing, repeated, p50Us, p99Us, maxUs: latency.max, gone }
}

const handlers = {
  connect,
  /** Latencies are of the events from here on. */
  time: (_: null): void => {
    latency = new Histogram()
  },
  received: (_: null): Received => received(),
}
export type LoadHandlers = typeof handlers

answer(handlers)
