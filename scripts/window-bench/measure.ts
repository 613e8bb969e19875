/**
 * Runs one measurement and prints it: `node measure.ts SUBJECTS`. A separate process, because
 * compiled code and touched memory would affect the next measurement.
 */
import { seededRandom } from '../../src/base/random.ts'
import { type NewEntry, storedEntry } from '../../src/log/entry.ts'
import type { Window } from '../../src/log/window.ts'
import { openWindow } from './open.ts'

export interface Figures {
  /** Time to append one event of 512 bytes to a full window, where each append evicts. */
  readonly appendNs: number
  /** Time of `firstSince` for a random subject and a random offset in the index. */
  readonly sinceUs: number
  /**
   * Time to find and load a subject's newest 1,000 events, from an offset of another subject's
   * event.
   */
  readonly catchUpUs: number
}

const eventBytes = 512
/**
 * Records in the index, and records with payloads: the index reaches several times further back,
 * as in a gateway.
 */
const entries = 2 ** 21
const payloadRecords = 250_000
const appends = 1_000_000
const questions = 100_000
const missed = 1000
/** One record in `missedEvery` has the subject that catches up. */
const missedEvery = 200
const catchUps = 1001

const out = storedEntry()

/** Events of random subjects, all with the same bytes: the window compares only the hash. */
class Flow {
  readonly window: Window
  readonly hashes: Uint32Array
  readonly #random = seededRandom(7)
  readonly #record: NewEntry

  constructor(subjects: number) {
    this.window = openWindow(payloadRecords * (eventBytes + 16), entries)
    this.hashes = Uint32Array.from({ length: subjects }, () => this.#random.next() * 2 ** 32)
    const buffer = Buffer.alloc(eventBytes, 'x')
    this.#record = {
      buffer,
      eventStart: 0,
      eventEnd: eventBytes,
      subjectAt: 2,
      subjectLength: 16,
      traceBuffer: buffer,
      traceStart: -1,
      traceEnd: -1,
      offset: 0,
      timeMs: 0,
      generation: 1,
      hash: 0,
    }
  }

  pick(below: number): number {
    return Math.floor(this.#random.next() * below)
  }

  append(hash: number): void {
    const record = this.#record
    record.offset = this.window.head
    record.timeMs = this.window.head
    record.hash = hash
    this.window.append(record)
  }

  appendMany(count: number): void {
    const { hashes } = this
    for (let i = 0; i < count; i++) this.append(hashes[this.pick(hashes.length)]!)
  }
}

function measureWindow(subjects: number): Figures {
  const flow = new Flow(subjects)
  flow.appendMany(entries + appends / 4)
  const appendNs = (timed(() => flow.appendMany(appends)) / appends) * 1e6
  ask(flow, questions / 10)
  const sinceUs = (timed(() => ask(flow, questions)) / questions) * 1e3
  return { appendNs, sinceUs, catchUpUs: catchUpUs(flow) }
}

function ask(flow: Flow, count: number): void {
  const { window, hashes } = flow
  const oldest = window.head - entries
  for (let i = 0; i < count; i++) window.firstSince(hashes[flow.pick(hashes.length)]!, oldest + flow.pick(entries))
}

function timed(run: () => void): number {
  const startMs = performance.now()
  run()
  return performance.now() - startMs
}

function catchUpUs(flow: Flow): number {
  const hash = 1
  for (let i = 0; i < missed; i++) {
    flow.appendMany(missedEvery - 1)
    flow.append(hash)
  }
  const from = flow.window.head - missed * missedEvery
  const all = Array.from({ length: catchUps }, () => timed(() => catchUp(flow.window, hash, from)) * 1e3)
  return all.sort((a, b) => a - b)[catchUps >> 1]!
}

function catchUp(window: Window, hash: number, from: number): void {
  let found = 0
  for (let at = window.firstSince(hash, from); at >= 0; at = window.following(at)) {
    window.load(at, out)
    found++
  }
  if (found !== missed) throw new Error(`expected to find ${missed} events, got ${found}`)
}

process.stdout.write(JSON.stringify(measureWindow(Number(process.argv[2]))))
