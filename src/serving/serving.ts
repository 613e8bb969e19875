import { closeAll } from '../base/close-all.ts'
import { Chunks } from '../fanout/chunks.ts'
import { Feeds, type StreamTrouble } from '../fanout/feeds.ts'
import { StreamFeed } from '../fanout/stream-feed.ts'
import { RejectedRing } from '../intake/rejected.ts'
import { WindowPool } from '../log/window-pool.ts'
import { sessionLimits } from '../session/options.ts'
import { ParkedWatch } from '../session/parked-watch.ts'
import { Pump } from '../session/pump.ts'
import { ReadBack } from '../session/read-back.ts'
import { Sessions } from '../session/sessions.ts'
import { maxSubjectBytes } from '../subject/subject.ts'
import { streamFormatDefaults } from '../wire/stream-format.ts'
import { type StreamStatus, streamFigures, streamStatus } from './figures.ts'
import type { ServedStream, ServingContracts, ServingOptions } from './options.ts'
import { chunkSizes, windowPool } from './sizes.ts'

export type { StreamTrouble } from '../fanout/feeds.ts'

/** Maximum delay before clients are admitted if the broker does not report the streams, ms. */
const firstClientMs = 1000

/**
 * Everything between the broker and the transports: feeds with their windows, read-back, and
 * sessions. Each owner of a `Source` and of a way to clients (the gateway, the tests' harness,
 * the simulation) has one, and builds none of its parts.
 *
 * Order of calls: `start`, then admit clients; `drain`, once no more are admitted; `close`, after
 * which the source may be closed.
 */
export class Serving {
  readonly feeds: Feeds
  readonly sessions: Sessions
  readonly readBack: ReadBack
  readonly pool: WindowPool
  /** Unusable records of all streams. */
  readonly rejected = new RejectedRing()
  readonly #chunks: Chunks
  readonly #options: ServingOptions
  readonly #contracts: ServingContracts

  constructor(options: ServingOptions, contracts: ServingContracts) {
    this.#options = options
    this.#contracts = contracts
    const { routing, instruments } = contracts
    this.pool = this.#makePool()
    instruments.observePool = () => this.pool.figures()
    this.feeds = new Feeds(routing)
    for (const [name, stream] of Object.entries(options.streams)) this.feeds.streams.set(name, this.#feed(name, stream))
    const pump = new Pump(contracts.clock)
    const { readBack, limits } = options
    const sizes = chunkSizes(readBack, limits.maxEventBytes, contracts.source.generations)
    this.#chunks = new Chunks(sizes.options, sizes.pool, this.feeds, contracts.clock)
    const { clock, logger } = contracts
    this.readBack = new ReadBack(sizes.options, this.#chunks, { clock, logger, rounds: pump })
    this.sessions = this.#makeSessions(pump)
  }

  /**
   * Starts reading. Resolves when clients may be admitted, even if the broker is not reachable.
   */
  async start(): Promise<void> {
    const { clock } = this.#contracts
    let cancel = () => {}
    const patience = new Promise<void>((resolve) => {
      cancel = clock.after(firstClientMs, resolve)
    })
    await Promise.race([this.feeds.start(), patience])
    cancel()
  }

  /** Ends all sessions with `shutting_down`; resolves when all are ended. */
  drain(): Promise<void> {
    return this.sessions.drain()
  }

  /** Closes feeds and chunks. Nothing is read from the broker once it has resolved. */
  close(): Promise<void> {
    return closeAll([() => this.feeds.close(), () => this.#chunks.close()])
  }

  /** Returns the current problems of streams; empty = none. */
  troubles(): StreamTrouble[] {
    return this.feeds.troubles(this.#nowMs())
  }

  status(): StreamStatus[] {
    return [...this.feeds.streams.values()].map((feed) => streamStatus(feed, this.#nowMs()))
  }

  #nowMs(): number {
    return this.#contracts.clock.nowUs() / 1000
  }

  #makePool(): WindowPool {
    const { window, limits } = this.#options
    const { source, clock } = this.#contracts
    return new WindowPool(windowPool(window, limits.maxEventBytes, source.generations), () => clock.monotonicMs())
  }

  #feed(name: string, { topic, partitions, layout, ...format }: ServedStream): StreamFeed {
    const { limits, fill, createTopics, seed } = this.#options
    const { source, routing, clock, logger } = this.#contracts
    const instruments = this.#contracts.instruments.stream(name)
    const feed = new StreamFeed({
      name,
      topic,
      format: { ...streamFormatDefaults, ...format },
      source,
      routing,
      window: { pool: this.pool, seed },
      fill,
      maxEventBytes: limits.maxEventBytes,
      partitions,
      // A stream of layout `single` belongs to others, so the gateway does not create it.
      creates: layout !== 'single' && (createTopics || source.kind === 'embedded'),
      instruments,
      rejected: this.rejected,
      clock,
      logger,
      leftOver: (stretch) => this.#chunks.keep(stretch),
      onRepartitioned: () => this.sessions.replaceAll(),
    })
    instruments.observe = () => streamFigures(feed, this.#nowMs())
    return feed
  }

  #makeSessions(pump: Pump): Sessions {
    const { gateway, version, heartbeatMs, limits, session, seed } = this.#options
    const { clock, logger, instruments, random } = this.#contracts
    const { maxSessions, maxFrameBytes, maxEventBytes, ...ofSession } = limits
    const { maxSubscriptions } = ofSession
    const announced = { maxFrameBytes, maxEventBytes, maxSubjectBytes, maxSubscriptions }
    return new Sessions(
      { maxSessions, welcome: { gateway, version, heartbeatMs, limits: announced } },
      {
        feeds: this.feeds,
        readBack: this.readBack,
        pump,
        ahead: new ParkedWatch(this.feeds, clock),
        limits: { ...sessionLimits, ...session, ...ofSession },
        instruments: instruments.gateway,
        clock,
        logger,
        seed,
      },
      random,
    )
  }
}
