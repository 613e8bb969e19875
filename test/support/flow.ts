import { toCarillonError } from '../../src/base/errors.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import type { Source, StreamInfo } from '../../src/source/source.ts'
import { until } from './until.ts'

const tickMs = 10
/** How often a publisher looks for more partitions, ms; a Java producer does so every five minutes. */
const refreshMs = 500

export interface FlowOptions {
  readonly source: Source
  /** The stream and its topic. */
  readonly topic: string
  /** Events a second. */
  readonly rate: number
  /** How long it waits for its stream, and for its last events, ms. */
  readonly patienceMs: number
  /** Events without an answer, at most: beyond that the flow pauses. */
  readonly maxWaiting: number
}

/** A publisher beside the gateways: the same number of events a second straight to the broker, whatever becomes of them. */
export abstract class Flow {
  /** Codes and messages of rejections, without numbers, and how often each came. */
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

  /** The stream as the publisher sees it; there is none before it has started. */
  get info(): StreamInfo {
    return this.#info!
  }

  /** Events without an answer. */
  protected abstract get waiting(): number

  /** Publishes the event of this number; never rejects. */
  protected abstract publish(index: number): Promise<void>

  async start(): Promise<void> {
    const { topic, patienceMs } = this.#options
    await until(`${topic} is there`, patienceMs, () => this.refresh())
    this.#startedMs = performance.now()
    this.#timer = setInterval(() => this.#tick(), tickMs)
    this.#refresher = setInterval(() => void this.refresh().catch(() => {}), refreshMs)
  }

  /** Ends the flow; resolves once each event has its answer, with how many were sent. */
  async stop(): Promise<number> {
    this.abandon()
    await until('every publish is settled', this.#options.patienceMs, () => this.waiting === 0)
    return this.#sent
  }

  /** No more is published, whatever became of the rest. */
  abandon(): void {
    clearInterval(this.#timer)
    clearInterval(this.#refresher)
  }

  /** Where a subject's events are with so many partitions. */
  place(subject: string, partitions: number): number {
    return this.#routing.place(subject, () => partitions).partition!
  }

  /** Returns the code. */
  protected rejected(error: unknown): string {
    const { code, message } = toCarillonError(error)
    const problem = `${code}: ${message.replaceAll(/\d+/g, 'N')}`
    this.problems.set(problem, (this.problems.get(problem) ?? 0) + 1)
    return code
  }

  /** Takes the stream as it is now, once `adopts` has seen it; false while it is missing. */
  protected async refresh(): Promise<boolean> {
    const info = await this.source.describe(this.#options.topic)
    if (info === undefined || info.partitions === 0) return false
    if (this.adopts(info, this.#info)) this.#info = info
    return true
  }

  /** Whether to publish to the stream as it is now, `before` being what it was. */
  protected adopts(_info: StreamInfo, _before: StreamInfo | undefined): boolean {
    return true
  }

  #tick(): void {
    const { rate, maxWaiting } = this.#options
    const due = Math.floor(((performance.now() - this.#startedMs) * rate) / 1000)
    for (; this.#sent < due; this.#sent++) if (this.waiting < maxWaiting) void this.publish(this.#sent)
  }
}
