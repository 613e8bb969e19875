import { setTimeout as sleep } from 'node:timers/promises'
import { eventText, monotonicUs } from '../../src/bench/load/payload.ts'
import { answer } from '../../src/bench/process/child.ts'
import { makeEvent } from '../../src/wire/frames.ts'
import { type Sender, toBroker, toGateway } from '../figures/sender.ts'

/** A process that publishes: as fast as it goes, or at a rate, and then all that is due in one request. */

/** Events in one request. */
const maxBatch = 500
/** Events of so many ms are published together. */
const tickMs = 5

export interface FlowOptions {
  /** First token of the subjects. */
  readonly prefix: string
  readonly subjects: number
  /** Bytes of an event's data. */
  readonly dataBytes: number
  /** The gateway's configuration names broker, stream and routes. */
  readonly configFile: string
  /** Publish through this gateway; undefined = to the broker itself. */
  readonly port: number | undefined
}

let options: FlowOptions
let sender: Sender
let published = 0
let running: { readonly stop: AbortController; readonly done: Promise<void> } | undefined

/** The next ones, due each so many µs from `dueUs` on. */
async function publish(count: number, dueUs: number, everyUs: number): Promise<void> {
  const { prefix, subjects, dataBytes } = options
  const wallUs = (performance.timeOrigin + performance.now()) * 1000 - monotonicUs()
  const events = Array.from({ length: count }, (_, i) => {
    const index = published++
    const due = dueUs + i * everyUs
    const data = eventText(due, Math.floor(index / subjects), dataBytes)
    const subject = `${prefix}.s${index % subjects}`
    return makeEvent({ subject, contentType: 'application/json', data, publishedAtUs: Math.round(wallUs + due) })
  })
  await sender.send(events)
}

async function run(rate: number, signal: AbortSignal): Promise<void> {
  const everyUs = 1e6 / rate
  const startUs = monotonicUs()
  let sent = 0
  while (!signal.aborted) {
    const due = Math.floor((monotonicUs() - startUs) / everyUs) - sent
    const count = Math.min(due, maxBatch)
    if (count > 0) await publish(count, startUs + sent * everyUs, everyUs)
    sent += count
    if (count < maxBatch) await sleep(tickMs)
  }
}

const handlers = {
  open: async (given: FlowOptions): Promise<void> => {
    options = given
    sender = given.port === undefined ? await toBroker(given.configFile) : toGateway(given.port)
  },
  /** So many, at once. Resolves when all are acknowledged. */
  burst: async (count: number): Promise<void> => {
    for (let left = count; left > 0; left -= maxBatch) await publish(Math.min(left, maxBatch), monotonicUs(), 0)
  },
  /** So many a second, until `stop`. */
  start: (rate: number): void => {
    const stop = new AbortController()
    const done = run(rate, stop.signal)
    done.catch(() => {})
    running = { stop, done }
  },
  /** Resolves to how many have been published in all; throws what went wrong meanwhile. */
  stop: async (_: null): Promise<number> => {
    running?.stop.abort()
    await running?.done
    running = undefined
    return published
  },
}
export type FlowHandlers = typeof handlers

answer(handlers)
