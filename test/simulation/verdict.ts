import { ExcuseCounts } from './excuses.ts'

/** The promises that every history must keep, by the names that failures print. */
export const promises = {
  content: "what is delivered is the log's: subject, fields and bytes, of a record that readers could see",
  matching: 'a subscription receives only events that it matches',
  order: 'events of a subject arrive in the order of the log, each once',
  'once a ref': 'one connection delivers each record to a ref once, in order',
  missing: 'a gap covers every record that is not delivered',
  covered: 'a token never covers a record that was not delivered',
  'token of a delivery': 'a delivery carries the position directly after it',
  conversation: 'frames arrive in the documented order, and every response has a request',
  last: '`last: n` delivers the last n events of each subject, or a gap says that there may be more',
  'time to live': 'catch-up does not deliver events that had expired at the request',
  prompt: 'a live client receives an event promptly',
  steady: 'no connection ends while nothing happens',
  resumes: 'a subscription that had a position resumes from one',
  'true gap': 'a gap reports what really happened to the log, and a certain gap only real losses',
  'told first': 'an event of a recreated log arrives after a gap that leads to that log',
  quiet: 'when all is quiet every session is at the head',
  fresh: 'when all is quiet each position reaches the head, even of a client without events',
  window: "a window's index answers as a full scan does, and holds what the log holds",
  limits: 'limits hold',
  log: 'a log acknowledges what is durable, shows nothing else, and drops what retention names',
  'left behind': 'a closed session leaves no state',
  fault: 'no gateway and no client fails without a cause',
} as const
export type PromiseName = keyof typeof promises

export interface Failure {
  readonly promise: PromiseName
  readonly message: string
  readonly atMs: number
}

/** Optional results of a history in addition to its verdict. */
export interface Wanted {
  /** true = record the story. */
  readonly trace?: boolean
  /** true = count how often each excuse was needed. */
  readonly excuses?: boolean
}

/** Result of one history: the first broken promise, and the story if requested. */
export class Verdict {
  failure: Failure | undefined
  readonly trace: string[] | undefined
  readonly excuses: ExcuseCounts | undefined
  readonly #nowMs: () => number
  readonly #onBroken: () => void

  constructor(nowMs: () => number, onBroken: () => void, { trace = false, excuses = false }: Wanted) {
    this.#nowMs = nowMs
    this.#onBroken = onBroken
    this.trace = trace ? [] : undefined
    this.excuses = excuses ? new ExcuseCounts() : undefined
  }

  broken(promise: PromiseName, message: string): void {
    if (this.failure !== undefined) return
    this.failure = { promise, message, atMs: this.#nowMs() }
    this.note(() => `BROKEN: ${promise}: ${message}`)
    this.#onBroken()
  }

  /** Adds a line to the story. Builds it only if the story is recorded. */
  note(line: () => string): void {
    this.trace?.push(`${(this.#nowMs() / 1000).toFixed(3).padStart(8)} s  ${line()}`)
  }
}
