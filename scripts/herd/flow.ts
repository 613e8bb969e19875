import { setTimeout as sleep } from 'node:timers/promises'
import { makeEvent } from '../../src/wire/frames.ts'
import { answer } from '../figures/child.ts'
import { eventText, monotonicUs } from '../figures/event.ts'
import { type Sender, toBroker, toGateway } from '../figures/sender.ts'
import { herdSubject } from './event.ts'

/** The process that publishes what the herd follows: as fast as it goes, or at a rate. */

/** Events in one request. */
const maxBatch = 500
/** Events of so many ms are published together. */
const tickMs = 20

export interface FlowOptions {
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

async function publish(count: number): Promise<void> {
  const dueUs = monotonicUs()
  const events = Array.from({ length: count }, () => {
    const index = published++
    const data = eventText(dueUs, Math.floor(index / options.subjects), options.dataBytes)
    const publishedAtUs = Math.round((performance.timeOrigin + performance.now()) * 1000)
    return makeEvent({
      subject: herdSubject(index % options.subjects),
      contentType: 'application/json',
      data,
      publishedAtUs,
    })
  })
  await sender.send(events)
}

async function run(rate: number, signal: AbortSignal): Promise<void> {
  const startMs = performance.now()
  let sent = 0
  while (!signal.aborted) {
    const due = Math.floor(((performance.now() - startMs) * rate) / 1000) - sent
    if (due > 0) await publish(Math.min(due, maxBatch))
    sent += Math.min(Math.max(0, due), maxBatch)
    if (due <= maxBatch) await sleep(tickMs)
  }
}

const handlers = {
  open: async (given: FlowOptions): Promise<void> => {
    options = given
    sender = given.port === undefined ? await toBroker(given.configFile) : toGateway(given.port)
  },
  /** So many, at once. Resolves when all are acknowledged. */
  burst: async (count: number): Promise<void> => {
    for (let left = count; left > 0; left -= maxBatch) await publish(Math.min(left, maxBatch))
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
