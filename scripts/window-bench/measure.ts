/** One measurement, in a process of its own, which prints it: `node measure.ts SUBJECTS`. What it compiles and touches would be the next one's as well. */
import { seededRandom } from '../../src/base/random.ts'
import { type NewEntry, storedEntry } from '../../src/log/entry.ts'
import type { Window } from '../../src/log/window.ts'
import { openWindow } from './open.ts'

export interface Figures {
  /** Of one event of 512 bytes to a full window: each evicts. */
  readonly appendNs: number
  /** `firstSince` for a subject and an offset of the index, both at random. */
  readonly sinceUs: number
  /** A subject's newest 1,000 events, found from an offset at which another subject's event is, and loaded. */
  readonly catchUpUs: number
}

const eventBytes = 512
/** Records of the index, and of the payloads: the index reaches several times as far back, as in a gateway. */
const entries = 2 ** 21
const payloadRecords = 250_000
const appends = 1_000_000
const questions = 100_000
const missed = 1000
/** One record in so many is the subject's that catches up. */
const missedEvery = 200
const catchUps = 1001

const out = storedEntry()

/** Events of random subjects, all with the same bytes: the window looks at the hash only. */
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
