import { matches } from '../../../src/subject/subject.ts'
import { type Client, connect, type Transport } from './clients.ts'
import { longestSilence } from './silence.ts'
import { type Judgement, judge, type Moved } from './steady-judge.ts'
import type { SteadyEvent } from './steady-publisher.ts'
import type { SeenEvent, SeenGap } from './story.ts'

interface Part {
  readonly client: Client
  /** How much of its story counts: what came up to the token with which the next part went on. */
  length: number | undefined
}

/** A client that follows some subjects through a flow, and may go on elsewhere with its token. */
export class SteadyClient {
  readonly transport: Transport
  readonly subjects: readonly string[]
  readonly #parts: Part[] = []
  #url: string

  constructor(transport: Transport, url: string, subjects: readonly string[]) {
    this.transport = transport
    this.subjects = subjects
    this.#url = url
    this.#connect('')
  }

  get name(): string {
    return `${this.transport} client of ${this.subjects.join(', ')} on ${this.#url}`
  }

  get url(): string {
    return this.#url
  }

  get current(): Client {
    return this.#parts.at(-1)!.client
  }

  /** What it was told, over all of its connections. */
  get told(): (SeenEvent | SeenGap)[] {
    return this.#parts.flatMap(({ client, length }) => client.story.told.slice(0, length))
  }

  /** Refusals and ends of the connection that is current. */
  get problems(): string[] {
    return [...this.current.errors.map((error) => JSON.stringify(error)), ...this.current.ends]
  }

  /** Lets go of its connection and keeps its place. */
  cut(): void {
    const part = this.#parts.at(-1)!
    part.length = part.client.story.told.length
    part.client.close()
  }

  /** Goes on where it was cut. */
  resume(url: string): void {
    this.#url = url
    this.#connect(this.current.token)
  }

  close(): void {
    this.current.close()
  }

  follows(subject: string): boolean {
    return this.subjects.some((pattern) => matches(pattern, subject))
  }

  /** The longest time between two events of one subject that it follows, from `fromMs` to `toMs`. */
  longestSilenceMs(fromMs: number, toMs: number): number {
    const times = this.told.flatMap((each) => ('subject' in each ? [[each.subject, each.atMs] as const] : []))
    return longestSilence(times, fromMs, toMs)
  }

  judge(events: ReadonlyMap<string, SteadyEvent>, written: readonly SteadyEvent[], moved: Moved): Judgement {
    const parts = this.#parts.map(({ client, length }) => client.story.told.slice(0, length))
    const followed = written.filter(({ subject }) => this.follows(subject))
    return judge({ parts, mayRepeat: this.transport === 'sse' }, events, followed, moved)
  }

  #connect(after: string): void {
    this.#parts.push({ client: connect(this.transport, this.#url, this.subjects, after), length: undefined })
  }
}
