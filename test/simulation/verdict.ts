import { ExcuseCounts } from './excuses.ts'

/** The promises that a history is held against, by the names under which a failure tells them. */
export const promises = {
  content: "what is delivered is the log's: subject, fields and bytes, of a record that readers could have",
  matching: 'only what a subscription asks for is delivered to it',
  order: 'events of a subject come in the order of the log, each once',
  'once a ref': 'one connection gives each ref a record once, in order',
  missing: 'what is not given is inside a gap that was told',
  covered: 'a token never covers what was not handed over',
  'token of a delivery': 'a delivery carries the position right behind it',
  conversation: 'frames come in the documented order, and only what was asked for is answered',
  last: '`last: n` gives the last n events of each subject, or tells that there may be more',
  'time to live': 'who catches up is not given what had expired when it asked',
  prompt: 'who is live has an event soon',
  steady: 'where nothing happens no connection ends',
  resumes: 'a subscription that had a position goes on from one',
  'true gap': 'a gap tells what really happened to the log, and a certain one what was really lost',
  'told first': 'an event of a log that was made anew comes behind a gap that leads there',
  quiet: 'when all is quiet every session is at the head',
  fresh: 'when all is quiet each position comes to the head, also of who is given nothing',
  window: "a window's index answers as a full scan does, and holds what the log holds",
  limits: 'limits hold',
  log: 'a log acknowledges what is durable, shows nothing else, and drops what retention names',
  'left behind': 'a session that is over leaves nothing behind',
  fault: 'no gateway and no client ever fails by itself',
} as const
export type PromiseName = keyof typeof promises

export interface Failure {
  readonly promise: PromiseName
  readonly message: string
  readonly atMs: number
}

/** What is wanted of a history beside its verdict. */
export interface Wanted {
  /** Its story. */
  readonly trace?: boolean
  /** How often each excuse was needed. */
  readonly excuses?: boolean
}

/** What became of one history: the first promise that was broken, and a trace of it where one was asked for. */
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

  /** A line of the story, made only where somebody reads it. */
  note(line: () => string): void {
    this.trace?.push(`${(this.#nowMs() / 1000).toFixed(3).padStart(8)} s  ${line()}`)
  }
}
