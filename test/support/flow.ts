import { toCarillonError } from '../../src/base/errors.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import type { Source, StreamInfo } from '../../src/source/source.ts'
import { until } from './until.ts'

const tickMs = 10
/**
 * Interval at which a publisher looks for new partitions, ms. A Java producer does so every five
 * minutes.
 */
const refreshMs = 500

export interface FlowOptions {
  readonly source: Source
  /** The stream and its topic. */
  readonly topic: string
  /** Events a second. */
  readonly rate: number
  /** How long the flow waits for its stream, and for its last events, ms. */
  readonly patienceMs: number
  /** Most unacknowledged events. Above it, the flow pauses. */
  readonly maxWaiting: number
}

/**
 * A publisher apart from the gateways. Sends events to the broker at a constant rate, whatever
 * happens to them.
 */
export abstract class Flow {
  /** Counts rejections by code and message; numbers in messages are removed. */
  readonly problems = new Map<string, number>()
  protected readonly source: Source
  readonly #options: FlowOptions
  readonly #routing: RoutingTable
  #sent = 0
  #startedMs = 0
  #info: StreamInfo | undefined
  #timer: NodeJS.Timeout | undefined
  #refresher: NodeJS.Timeout | undefined

  constructor(options: FlowOptions) {
    this.source = options.source
    this.#options = options
    this.#routing = new RoutingTable([{ subjects: '>', stream: options.topic, by: { hash: 'java' } }])
  }

  /** The stream as the publisher sees it. Available only after the start. */
  get info(): StreamInfo {
    return this.#info!
  }

  /** Number of unacknowledged events. */
  protected abstract get waiting(): number

  /** Publishes the event with this number; never rejects. */
  protected abstract publish(index: number): Promise<void>

  async start(): Promise<void> {
    const { topic, patienceMs } = this.#options
    await until(`${topic} is there`, patienceMs, () => this.refresh())
    this.#startedMs = performance.now()
    this.#timer = setInterval(() => this.#tick(), tickMs)
    this.#refresher = setInterval(() => void this.refresh().catch(() => {}), refreshMs)
  }

  /**
   * Ends the flow. Resolves with the number of sent events once each is acknowledged or rejected.
   */
  async stop(): Promise<number> {
    this.abandon()
    await until('every publish is settled', this.#options.patienceMs, () => this.waiting === 0)
    return this.#sent
  }

  /** Stops publishing without waiting for acknowledgements. */
  abandon(): void {
    clearInterval(this.#timer)
    clearInterval(this.#refresher)
  }

  /** Returns the partition of a subject's events in a stream of `partitions`. */
  place(subject: string, partitions: number): number {
    return this.#routing.place(subject, () => partitions).partition!
  }

  /** Counts a rejection. Returns its code. */
  protected rejected(error: unknown): string {
    const { code, message } = toCarillonError(error)
    const problem = `${code}: ${message.replaceAll(/\d+/g, 'N')}`
    this.problems.set(problem, (this.problems.get(problem) ?? 0) + 1)
    return code
  }

  /** Reads the current stream and takes it if `adopts` agrees; false = the stream is missing. */
  protected async refresh(): Promise<boolean> {
    const info = await this.source.describe(this.#options.topic)
    if (info === undefined || info.partitions === 0) return false
    if (this.adopts(info, this.#info)) this.#info = info
    return true
  }

  /** Returns whether to publish to the current stream; `before` is the previous one. */
  protected adopts(_info: StreamInfo, _before: StreamInfo | undefined): boolean {
    return true
  }

  #tick(): void {
    const { rate, maxWaiting } = this.#options
    const due = Math.floor(((performance.now() - this.#startedMs) * rate) / 1000)
    for (; this.#sent < due; this.#sent++) if (this.waiting < maxWaiting) void this.publish(this.#sent)
  }
}
