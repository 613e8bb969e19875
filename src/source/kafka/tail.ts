import type { LoopClock } from '../../base/clock.ts'
import { unknownGeneration } from '../../base/generation.ts'
import { counted, duration } from '../../base/numbers.ts'
import type { Random } from '../../base/random.ts'
import type { UnreadableReason } from '../../log/record.ts'
import { expectAbsent } from '../partitions.ts'
import { backOffMs } from '../pause.ts'
import type { Blocked, Offsets, SourceContext, StreamInfo, Tail, TailSink } from '../source.ts'
import { TailHealth } from '../tail-health.ts'
import { BrokerSet } from './broker-set.ts'
import type { BrokerConnector } from './connector.ts'
import { Cursor } from './cursor.ts'
import { FetchLoop, type FetchOwner, type UnreadableBatch } from './fetch-loop.ts'
import type { Divergence } from './fetch-request.ts'
import { answerProblem, hangingCommand } from './grants.ts'
import { type HeardMetadata, noNode, type PartitionLeader, type TopicMetadata } from './metadata-request.ts'
import type { KafkaOptions } from './options.ts'
import { code } from './protocol-errors.ts'
import { askOffsets } from './range.ts'
import type { SeenHeads } from './seen-heads.ts'
import { TopicWatch, type WatchOwner } from './topic-watch.ts'

/** Pause between fetches of a cursor beyond the end of the log, ms. */
const beyondEndMs = 100
/** Time until a leader that reported a log end below the cursor is asked again, ms. */
const confirmMs = 500
/** Consecutive reports of a log end below the cursor that confirm a rewrite. */
const confirmations = 2
/**
 * An open transaction is logged once it is this old, at most once in `blockedLogMs` for each
 * topic, ms.
 */
const longBlockedMs = 10_000
const blockedLogMs = 60_000
/**
 * Consecutive metadata answers without the topic before it counts as deleted. A broker that has
 * just started may not know it yet.
 */
const missingAnswers = 2
/**
 * Limit of the remembered ids of earlier topics with the same name. An outdated broker may still
 * report them.
 */
const maxRetiredIds = 16
/**
 * Brokers (or all, if there are fewer) that must report a retired topic, with none reporting the
 * current one in between, before it counts as the newer one.
 */
const returnedAnswers = 3

export interface TailSurroundings {
  readonly connector: BrokerConnector
  readonly context: SourceContext
  readonly random: Random
  readonly heads: SeenHeads
  /** Receives the metadata of the topic. */
  heard(metadata: TopicMetadata): void
}

/**
 * Reads partitions of one topic with separate connections: one fetch loop for each leader, and
 * one watch of the metadata.
 */
export class KafkaTail implements Tail, FetchOwner, WatchOwner {
  readonly options: KafkaOptions
  readonly clock: LoopClock
  readonly brokers: BrokerSet
  readonly sink: TailSink
  /** One cursor for each partition that is read. */
  cursors: readonly Cursor[] = []
  topicId: string
  closed = false
  readonly #topic: string
  #partitions: number
  /** By partition, from the last metadata. */
  #leaders: readonly PartitionLeader[] = []
  readonly #heads: SeenHeads
  readonly #context: SourceContext
  readonly #health: TailHealth
  readonly #watch: TopicWatch
  readonly #loops = new Map<number, { readonly loop: FetchLoop; readonly ended: Promise<void> }>()
  #retiredIds: string[] = []
  /** Nodes that reported the same retired topic since the last report of the current one. */
  #returned: { readonly topicId: string; readonly nodes: readonly number[] } = { topicId: '', nodes: [] }
  readonly #watching: Promise<void>
  readonly #heard: (metadata: TopicMetadata) => void
  #lacking = 0
  #warnAgainMs = 0

  constructor(
    stream: StreamInfo,
    from: readonly (number | undefined)[],
    sink: TailSink,
    { connector, context, random, heads, heard }: TailSurroundings,
  ) {
    const { options, clock } = connector
    this.options = options
    this.clock = clock
    this.sink = sink
    this.topicId = stream.incarnation
    this.brokers = new BrokerSet(connector, 'live')
    this.#topic = stream.name
    this.#partitions = stream.partitions
    this.#heads = heads
    this.#context = context
    this.#heard = heard
    this.#health = new TailHealth(options.awayAfterMs, (state, detail) => {
      if (!this.closed) sink.state(state, detail)
    })
    from.forEach((offset, partition) => {
      if (offset !== undefined) this.#begin(partition, offset)
    })
    this.#watch = new TopicWatch(stream.name, options, { brokers: this.brokers, clock, random }, this)
    this.#watching = this.#watch.run()
  }

  add(partition: number, from?: number): void {
    if (this.closed) return
    const cursor = this.#begin(partition, from)
    if (!this.#lead(cursor)) this.#watch.refresh()
  }

  #begin(partition: number, from: number | undefined): Cursor {
    const name = this.#topic
    const stream = { name, incarnation: this.topicId, partitions: this.#partitions }
    expectAbsent(stream, partition, (wanted) => this.cursors.some((cursor) => cursor.partition === wanted))
    const start = from === undefined ? undefined : this.#heads.start(stream, partition, from)
    const cursor = new Cursor(partition, start?.offset ?? 0, start?.leaderEpoch)
    this.cursors = [...this.cursors, cursor]
    this.#health.expect(partition, this.clock.monotonicMs())
    return cursor
  }

  drop(partition: number): void {
    const cursor = this.cursors.find((each) => each.partition === partition)
    if (cursor === undefined) return
    this.#forget(cursor)
    for (const { loop } of this.#loops.values()) loop.drop(cursor)
    // While the topic is missing, the health does not change: once it is found again, all
    // remaining partitions are expected.
    if (this.#lacking < missingAnswers) this.#health.read(partition)
  }

  async close(): Promise<void> {
    this.closed = true
    this.#watch.close()
    for (const { loop } of this.#loops.values()) loop.stop()
    this.brokers.close()
    await Promise.all([this.#watching, ...[...this.#loops.values()].map(({ ended }) => ended)])
  }

  // WatchOwner

  learned(metadata: HeardMetadata): boolean {
    const { error, topicId, partitions } = metadata
    if (error === code.unknownTopicOrPartition) return this.#missing()
    this.#lacking = this.#lacking >= missingAnswers ? this.#back() : 0
    if (error !== 0 && error !== code.leaderNotAvailable) {
      this.#allFailed(answerProblem(error, { operation: 'Describe', topic: this.#topic }, this.options))
      return false
    }
    if (this.#retiredIds.includes(topicId) && !this.#returns(metadata)) return false
    this.#returned = { topicId: '', nodes: [] }
    this.#leaders = partitions
    if (topicId !== this.topicId) this.#recreated(metadata)
    else if (partitions.length > this.#partitions) this.#grown(metadata)
    this.#heard(metadata)
    if (this.closed) return true
    return this.#follow()
  }

  unreachable(error: Error): void {
    for (const cursor of this.cursors) if (cursor.leader === noNode) this.#failed(cursor, error.message)
  }

  // FetchOwner

  brokerFailed(nodeId: number, cursors: readonly Cursor[], error: Error): void {
    for (const cursor of cursors) this.#failed(cursor, error.message)
    this.#watch.refresh([nodeId])
  }

  succeeded(cursor: Cursor): void {
    // The leader answered at this offset, so its log reached it. A later log end below it has
    // moved back.
    cursor.reached = true
    cursor.answeredEpoch = cursor.leaderEpoch
    cursor.failures = 0
    cursor.endsBelow = 0
    this.#health.read(cursor.partition)
  }

  async refused(cursor: Cursor, error: number, nodeId: number): Promise<void> {
    if (error !== code.offsetOutOfRange && error !== code.corruptMessage) return this.#refused(cursor, error)
    const { version } = cursor
    try {
      const offsets = await this.#bounds(cursor, nodeId)
      if (this.closed || cursor.version !== version) return
      if (error === code.offsetOutOfRange) this.#outOfRange(cursor, offsets)
      // An answer with an error has no bounds. Offsets that are not written yet must not count as
      // damaged.
      else if (cursor.offset >= offsets.head) this.#refused(cursor, error)
      else {
        const problem = 'the broker found its copy damaged'
        this.damaged(cursor, { first: cursor.offset, last: undefined, problem }, offsets.head)
      }
    } catch (problem) {
      if (!this.closed && cursor.version === version) this.brokerFailed(nodeId, [cursor], problem as Error)
    }
  }

  diverged(cursor: Cursor, diverging: Divergence, logStart: number): void {
    const { partition, offset } = cursor
    const agreed = cursor.cutBack(diverging, logStart)
    if (agreed < offset) {
      cursor.offset = agreed
      this.sink.lost(partition, agreed, offset - 1, 'rewritten')
    }
  }

  damaged(cursor: Cursor, { first, last, problem }: UnreadableBatch, head: number): void {
    const to = cursor.damage.met(first, cursor.offset, last, head)
    if (to !== undefined) this.#skip(cursor, to, problem, 'corrupt')
  }

  unsupported(cursor: Cursor, { last, problem }: { readonly last: number; readonly problem: string }): void {
    this.#skip(cursor, last, problem, 'unsupported')
  }

  #skip(cursor: Cursor, to: number, problem: string, reason: UnreadableReason): void {
    const { partition, offset } = cursor
    this.#context.log('error', `topic ${this.#topic}: offsets ${offset} to ${to} can't be read and are skipped`, {
      partition,
      problem,
    })
    cursor.jump(to + 1, cursor.leaderEpoch)
    cursor.reached = true
    this.sink.lost(partition, offset, to, reason)
  }

  sinkFailed(cursor: Cursor, offset: number, error: Error): void {
    const where = `topic ${this.#topic}, partition ${cursor.partition}, offset ${offset}`
    this.#context.log('error', `a record could not be processed and is skipped: ${where}`, { error })
  }

  end(cursor: Cursor, first: number, head: number, highWatermark: number): void {
    const { offset } = cursor
    const nowMs = this.clock.nowUs() / 1000
    const isNews = cursor.sawEnd(head, highWatermark, nowMs)
    const { blocked } = cursor
    if (blocked !== undefined && nowMs - blocked.sinceMs >= longBlockedMs) this.#warnOf(cursor, blocked, nowMs)
    if (!isNews && offset === cursor.reportedNext && first === cursor.reportedFirst && head === cursor.reportedHead)
      return
    cursor.reportedNext = offset
    cursor.reportedFirst = first
    cursor.reportedHead = head
    this.sink.end(cursor.partition, offset, blocked === undefined ? { first, head } : { first, head, blocked })
  }

  #warnOf({ partition, offset }: Cursor, { offsets, sinceMs }: Blocked, nowMs: number): void {
    if (nowMs < this.#warnAgainMs) return
    this.#warnAgainMs = nowMs + blockedLogMs
    const held = `an open transaction has held back ${counted(offsets, 'offset')} after ${offset} for ${duration(nowMs - sinceMs)}`
    const command = hangingCommand(this.options.brokers, this.#topic)
    this.#context.log(
      'warn',
      `topic ${this.#topic}, partition ${partition}: ${held}; to see whether it hangs, run ${command}`,
    )
  }

  // Offsets out of range

  async #bounds({ partition, leaderEpoch }: Cursor, nodeId: number): Promise<Offsets> {
    const link = await this.brokers.link(nodeId)
    return askOffsets(link, { topic: this.#topic, partition, leaderEpoch }, this.options.requestTimeoutMs)
  }

  /** Handles an offset below the start or beyond the end of the log. */
  #outOfRange(cursor: Cursor, { first, head }: Offsets): void {
    if (cursor.offset < first) this.#belowStart(cursor, first)
    else if (cursor.offset > head) this.#beyondEnd(cursor, first, head)
    else this.#inRange(cursor)
  }

  /**
   * Handles an offset that is within the log after all: the log moved in the meantime, or the
   * leader does not know the epoch below. Fetches again without that epoch.
   */
  #inRange(cursor: Cursor): void {
    cursor.jump(cursor.offset, unknownGeneration)
    cursor.pausedUntilMs = this.clock.monotonicMs() + this.options.retryMs
  }

  #belowStart(cursor: Cursor, first: number): void {
    const { partition, offset, leaderEpoch } = cursor
    cursor.jump(first, leaderEpoch)
    this.sink.lost(partition, offset, first - 1, 'retention')
  }

  /**
   * Waits if another reader provided the position. If this tail has read up to it, the records
   * must be there, so a confirmed lower end is a rewrite.
   */
  #beyondEnd(cursor: Cursor, first: number, head: number): void {
    const { partition, offset } = cursor
    const now = this.clock.monotonicMs()
    this.#health.read(partition)
    if (this.closed || cursor.dropped) return
    if (!cursor.reached) {
      cursor.pausedUntilMs = now + beyondEndMs
      this.end(cursor, first, head, head)
    } else if (++cursor.endsBelow < confirmations) {
      cursor.pausedUntilMs = now + confirmMs
      this.#watch.refresh()
    } else {
      cursor.jump(head, cursor.leaderEpoch)
      this.sink.lost(partition, head, offset - 1, 'rewritten')
    }
  }

  // Failures

  #refused(cursor: Cursor, error: number): void {
    const { partition } = cursor
    this.#failed(cursor, answerProblem(error, { operation: 'Read', topic: this.#topic, partition }, this.options))
    this.#watch.refresh()
  }

  #failed(cursor: Cursor, detail: string): void {
    if (cursor.dropped) return
    const now = this.clock.monotonicMs()
    const { retryMs, maxRetryMs } = this.options
    cursor.pausedUntilMs = now + backOffMs(cursor.failures++, retryMs, maxRetryMs)
    if (this.#lacking < missingAnswers) this.#health.failed(cursor.partition, now, detail)
  }

  #allFailed(detail: string): void {
    for (const cursor of this.cursors) this.#failed(cursor, detail)
  }

  #missing(): false {
    if (++this.#lacking === missingAnswers) {
      this.#leaders = []
      for (const cursor of this.cursors) {
        cursor.leader = noNode
        cursor.version++
      }
      this.#health.missing(`the broker has no topic ${this.#topic}`)
    }
    return false
  }

  #back(): 0 {
    this.#expectAll()
    return 0
  }

  // Metadata

  /**
   * Whether a retired topic is the current one after all. Nothing shows which of two ids is
   * newer: an outdated broker may have reported the older id last, to a tail that began with the
   * newer one. So this asks the other brokers, whose own metadata only moves forward.
   */
  #returns({ topicId, from, brokers }: HeardMetadata): boolean {
    const before = this.#returned.topicId === topicId ? this.#returned.nodes : []
    const nodes = before.includes(from) ? before : [...before, from]
    this.#returned = { topicId, nodes }
    if (nodes.length >= Math.min(returnedAnswers, brokers.length)) return true
    this.#watch.refresh(nodes)
    return false
  }

  #recreated({ topicId, partitions }: TopicMetadata): void {
    const before = this.#retiredIds.filter((id) => id !== topicId)
    this.#retiredIds = [...before, this.topicId].slice(-maxRetiredIds)
    this.topicId = topicId
    this.#partitions = partitions.length
    for (const cursor of this.cursors) {
      if (cursor.partition < partitions.length) cursor.restart()
      else this.#forget(cursor)
    }
    this.#expectAll()
    this.sink.recreated({ name: this.#topic, incarnation: topicId, partitions: partitions.length })
  }

  #grown({ topicId, partitions }: TopicMetadata): void {
    this.#partitions = partitions.length
    this.sink.grown({ name: this.#topic, incarnation: topicId, partitions: partitions.length })
  }

  #forget(cursor: Cursor): void {
    cursor.drop()
    this.cursors = this.cursors.filter((each) => each !== cursor)
  }

  #expectAll(): void {
    this.#health.found(
      this.cursors.map(({ partition }) => partition),
      this.clock.monotonicMs(),
    )
  }

  /** Adopts newer leaders. Returns true if all partitions that are read have a leader. */
  #follow(): boolean {
    let led = true
    for (const cursor of this.cursors) {
      if (this.#lead(cursor)) continue
      led = false
      this.#failed(cursor, `partition ${cursor.partition} has no leader`)
    }
    for (const { loop } of this.#loops.values()) loop.wake()
    return led
  }

  /**
   * Adopts the leader of the cursor if it is newer, and makes sure that its fetch loop runs.
   * Returns false if there is no leader.
   */
  #lead(cursor: Cursor): boolean {
    const known = this.#leaders[cursor.partition]
    if (known !== undefined) cursor.follow(known.leader, known.leaderEpoch)
    if (cursor.leader === noNode) return false
    this.#loop(cursor.leader)
    return true
  }

  #loop(nodeId: number): void {
    if (this.#loops.has(nodeId)) return
    const loop = new FetchLoop(nodeId, this)
    const ended = loop.run().finally(() => {
      this.#loops.delete(nodeId)
      // The loop may have received a partition again while it ended.
      if (!this.closed && this.cursors.some((cursor) => cursor.leader === nodeId)) this.#loop(nodeId)
    })
    this.#loops.set(nodeId, { loop, ended })
  }
}
