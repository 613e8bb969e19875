import { setTimeout as sleep } from 'node:timers/promises'
import { eventText, monotonicUs } from '../../src/bench/load/payload.ts'
import { answer } from '../../src/bench/process/child.ts'
import { Histogram } from '../../src/telemetry/histogram.ts'
import { type Event, makeEvent } from '../../src/wire/frames.ts'
import { toBroker, toGateway } from './sender.ts'
import { subjectOf } from './subjects.ts'

/** The process that publishes: so many events a second, whatever becomes of them, to Kafka itself or through the gateway. */

/** Events of so many ms are published together, as a publisher under load does, unless given. */
const defaultTickMs = 5
/** Batches on their way to Kafka at once; through the gateway it is one, so that they keep their order. */
const maxBatches = 64
/** Events in one request to the gateway. */
const maxEvents = 1000

export interface PublishOptions {
  /** Events a second. */
  readonly rate: number
  /** Taken in turn. */
  readonly subjects: number
  /** Bytes of an event's data. */
  readonly dataBytes: number
  /** The gateway's configuration names broker, stream and routes. */
  readonly configFile: string
  /** Publish through this gateway; undefined = to the broker itself. */
  readonly port: number | undefined
  readonly tickMs?: number
}

export interface Publishing {
  readonly events: number
  /** How long after it was due an event was handed over, since `time`, µs. */
  readonly lateP50Us: number
  readonly lateP99Us: number
}

let late = new Histogram()
let published = 0
let running: { readonly stop: AbortController; readonly done: Promise<void> } | undefined

async function run(options: PublishOptions, signal: AbortSignal): Promise<void> {
  const { port, rate, tickMs = defaultTickMs } = options
  const sender = port === undefined ? await toBroker(options.configFile) : toGateway(port)
  const most = port === undefined ? maxBatches : 1
  const everyUs = Math.max(tickMs * 1000, 1e6 / rate)
  const perTick = Math.max(1, Math.round((rate * everyUs) / 1e6))
  const waiting = new Set<Promise<unknown>>()
  let failure: unknown
  for (let dueUs = monotonicUs() + everyUs; !signal.aborted; dueUs += everyUs) {
    const nowUs = monotonicUs()
    if (dueUs > nowUs) await sleep((dueUs - nowUs) / 1000)
    while (waiting.size >= most) await Promise.race(waiting)
    if (failure !== undefined) throw failure
    for (let left = perTick; left > 0; left -= maxEvents) {
      const sending: Promise<unknown> = sender
        .send(batch(options, Math.min(left, maxEvents), dueUs))
        .catch((error: unknown) => {
          failure ??= error
        })
        .finally(() => waiting.delete(sending))
      waiting.add(sending)
    }
  }
  await Promise.all(waiting)
  await sender.close()
  if (failure !== undefined) throw failure
}

/** The next events, all due at the same time. */
function batch({ subjects, dataBytes }: PublishOptions, count: number, dueUs: number): Event[] {
  const lateUs = monotonicUs() - dueUs
  const publishedAtUs = Math.round((performance.timeOrigin + performance.now()) * 1000 - lateUs)
  late.record(lateUs, count)
  return Array.from({ length: count }, () => {
    const index = published++
    const data = eventText(dueUs, Math.floor(index / subjects), dataBytes)
    return makeEvent({ subject: subjectOf(index % subjects), contentType: 'application/json', data, publishedAtUs })
  })
}

const handlers = {
  start: (options: PublishOptions): void => {
    const stop = new AbortController()
    const done = run(options, stop.signal)
    done.catch(() => {})
    running = { stop, done }
  },
  /** Lateness is of the events from here on. */
  time: (_: null): void => {
    late = new Histogram()
  },
  /** Resolves when all is acknowledged; throws what went wrong meanwhile. */
  stop: async (_: null): Promise<Publishing> => {
    running?.stop.abort()
    await running?.done
    return { events: published, lateP50Us: late.quantile(0.5), lateP99Us: late.quantile(0.99) }
  },
}
export type PublishHandlers = typeof handlers

answer(handlers)
