import { ByteReader } from '../../../src/source/kafka/encoding.ts'
import { code } from '../../../src/source/kafka/protocol-errors.ts'
import type { Incarnation } from '../broker.ts'
import {
  type AskedOffset,
  type AskedPartition,
  apiKey,
  type FetchAnswer,
  type Leader,
  type OffsetAnswer,
  readFetch,
  readMetadata,
  readOffsets,
  readProduce,
  writeFetch,
  writeMetadata,
  writeOffset,
  writeProduced,
  writeProducerId,
} from './kafka-answers.ts'
import type { KafkaLog, LogImage } from './kafka-log.ts'
import { numbersOf } from './kafka-producers.ts'
import type { ByteQuota } from './kafka-quota.ts'

/** The state of the cluster as the controller publishes it. */
export interface ClusterImage {
  readonly version: number
  /** Ids of the nodes that count as alive. */
  readonly alive: readonly number[]
  /** undefined = the topic does not exist. */
  readonly incarnation: Incarnation | undefined
  readonly leaders: readonly Leader[]
}

/** The log of a former leader, until the node hears of its successor. */
interface Former {
  readonly image: LogImage
  /** Version of the cluster image with the next leader. */
  readonly version: number
}

/** The cluster as a node sees it. */
export interface NodeHost {
  readonly nodes: readonly KafkaNode[]
  readonly nowMs: number
  /** Picks up changes of the logs. */
  look(): void
  log(incarnation: Incarnation, partition: number): KafkaLog
  /** Returns the limit of a new leader's high watermark; undefined = none. */
  shownUpTo(log: KafkaLog): number | undefined
  /** Notes that a chunk was read. */
  wasRead(log: KafkaLog): void
  /**
   * Whether the node leads the partition according to the controller. Otherwise followers no
   * longer replicate from it.
   */
  isLed(node: KafkaNode, incarnation: Incarnation, partition: number): boolean
  /**
   * Returns the reason why a batch of this size is not acknowledged, although it may be written.
   */
  hindrance(bytes: number): { readonly error: number; readonly isWritten: boolean } | undefined
  /** Appends a batch to the log. Returns the offset of its first record. */
  append(log: KafkaLog, batch: Buffer): number
  newProducerId(): number
  soon(task: () => void): void
  after(ms: number, task: () => void): () => void
  chance(): number
}

export interface Reply {
  readonly bytes: Buffer
  /** How long the broker mutes the connection, ms. */
  readonly throttleMs: number
}

const fencedLeaderEpoch = 74
const unknownLeaderEpoch = 75
const none = Buffer.alloc(0)
const isAnswered = ({ error, diverging, records }: FetchAnswer) =>
  error !== 0 || diverging !== undefined || records.length > 0

export const placeKey = (incarnation: Incarnation, partition: number): string => `${incarnation.index}/${partition}`

/** One broker of the cluster. It answers from its own view of the cluster. */
export class KafkaNode {
  readonly id: number
  readonly port: number
  state: 'up' | 'frozen' | 'down' = 'up'
  /** News from the controller does not reach the node. */
  deaf = false
  /** Upper bound of the time for an answer, ms. */
  slowMs = 0
  /**
   * Until `throttledUntilMs`, answers to fetches, or to all requests, ask for a pause of
   * `throttleMs`.
   */
  throttledUntilMs = 0
  throttleMs = 0
  throttlesAll = false
  /** Quota of fetches; undefined = none. */
  quota: ByteQuota | undefined
  /** An error code in the answers for one partition, until `untilMs`. */
  failing: { readonly partition: number; readonly error: number; readonly untilMs: number } | undefined
  image: ClusterImage
  readonly former = new Map<string, Former>()
  /** Tasks that wait until the node runs again. */
  readonly held: (() => void)[] = []
  readonly #host: NodeHost
  readonly #waiting = new Set<() => void>()

  constructor(id: number, image: ClusterImage, host: NodeHost) {
    this.id = id
    this.port = 9091 + id
    this.image = image
    this.#host = host
  }

  get address(): string {
    return `kafka-${this.id}:${this.port}`
  }

  learn(image: ClusterImage): void {
    if (image.version <= this.image.version) return
    this.image = image
    for (const [key, { version }] of this.former) if (version <= image.version) this.former.delete(key)
    for (const changed of [...this.#waiting]) changed()
  }

  /**
   * Answers with `reply`, immediately or when there are records. The returned function cancels
   * the answer.
   */
  handle(key: number, body: Buffer, reply: (reply: Reply) => void): () => void {
    this.#host.look()
    const reader = new ByteReader(body)
    switch (key) {
      case apiKey.fetch:
        return this.#fetch(reader, reply)
      case apiKey.produce:
        return this.#produce(reader, reply)
      case apiKey.initProducerId:
        reply(this.#throttled((ms) => writeProducerId(this.#host.newProducerId(), ms)))
        break
      case apiKey.metadata:
        reply(this.#throttled((ms) => this.#metadata(readMetadata(reader), ms)))
        break
      case apiKey.listOffsets:
        reply(this.#throttled((ms) => this.#offsets(readOffsets(reader), ms)))
        break
      default:
        throw new Error(`the model does not support request ${key}`)
    }
    return () => {}
  }

  /** Builds an answer to any request but a fetch. */
  #throttled(write: (throttleMs: number) => Buffer): Reply {
    const throttleMs = this.throttlesAll && this.#host.nowMs < this.throttledUntilMs ? this.throttleMs : 0
    return { bytes: write(throttleMs), throttleMs }
  }

  // Fetch

  #fetch(reader: ByteReader, reply: (reply: Reply) => void): () => void {
    const host = this.#host
    const asked = readFetch(reader)
    const unlisten: (() => void)[] = []
    const end = () => {
      for (const each of unlisten.splice(0)) each()
    }
    const answer = (isLate: boolean) => {
      host.look()
      const most = Math.min(asked.maxBytes, this.quota?.maxBytes ?? asked.maxBytes)
      let left = most
      const answers = asked.partitions.map((each) => {
        const found = this.#partition(asked.topicId, each, left, left === most)
        left -= found.records.length
        return found
      })
      if (!isLate && asked.maxWaitMs > 0 && !answers.some(isAnswered)) return false
      end()
      const throttleMs = this.#fetchThrottleMs(most - left)
      reply({ bytes: writeFetch(asked.topicId, answers, throttleMs), throttleMs })
      if (asked.maxWaitMs === 0) for (const each of this.#logs(asked.topicId, asked.partitions)) host.wasRead(each)
      return true
    }
    if (answer(false)) return () => {}
    const changed = () => void answer(false)
    this.#waiting.add(changed)
    unlisten.push(() => this.#waiting.delete(changed))
    unlisten.push(host.after(asked.maxWaitMs, () => void answer(true)))
    for (const log of this.#logs(asked.topicId, asked.partitions)) {
      unlisten.push(log.watch(changed, (task) => host.soon(task)))
    }
    return end
  }

  #fetchThrottleMs(bytes: number): number {
    const { nowMs } = this.#host
    if (nowMs < this.throttledUntilMs) return this.throttleMs
    return this.quota?.throttleMs(bytes, nowMs) ?? 0
  }

  #logs(topicId: string, partitions: readonly AskedPartition[]): KafkaLog[] {
    const { incarnation } = this.image
    if (incarnation === undefined || incarnation.id !== topicId) return []
    const there = partitions.filter(({ partition }) => incarnation.logs[partition] !== undefined)
    return there.map(({ partition }) => this.#host.log(incarnation, partition))
  }

  #partition(topicId: string, asked: AskedPartition, left: number, isFirst: boolean): FetchAnswer {
    const { partition } = asked
    if (this.image.incarnation?.id !== topicId) return refused(partition, code.unknownTopicId)
    const problem = this.#problem(partition, asked.leaderEpoch)
    if (problem !== 0) return refused(partition, problem, this.image.leaders[partition])
    return read(
      this.#replica(partition),
      asked,
      { bytes: Math.min(left, asked.maxBytes), isFirst },
      this.#host.chance(),
    )
  }

  /** Returns the error code for the partition; 0 = none. */
  #problem(partition: number, leaderEpoch: number): number {
    const { incarnation, leaders } = this.image
    const leader = leaders[partition]
    if (incarnation === undefined || leader === undefined) return code.unknownTopicOrPartition
    const { failing } = this
    if (failing?.partition === partition && this.#host.nowMs < failing.untilMs) return failing.error
    if (leaderEpoch >= 0 && leaderEpoch < leader.epoch) return fencedLeaderEpoch
    if (leaderEpoch > leader.epoch) return unknownLeaderEpoch
    return leader.node === this.id ? 0 : code.notLeader
  }

  #replica(partition: number): LogImage {
    const incarnation = this.image.incarnation!
    const former = this.former.get(placeKey(incarnation, partition))
    if (former !== undefined) return former.image
    const log = this.#host.log(incarnation, partition)
    const { image } = log
    const high = Math.max(image.first, Math.min(image.high, this.#host.shownUpTo(log) ?? image.high))
    return { ...image, high, stable: Math.min(image.stable, high) }
  }

  // Produce, acknowledged by all replicas in sync

  #produce(reader: ByteReader, reply: (reply: Reply) => void): () => void {
    const host = this.#host
    const asked = readProduce(reader)
    const { partition, batch, timeoutMs } = asked
    const answer = (error: number, base = -1) => reply(this.#throttled((ms) => writeProduced(asked, error, base, ms)))
    const { incarnation } = this.image
    const problem = this.#problem(partition, -1)
    if (problem !== 0) answer(problem)
    else if (host.isLed(this, incarnation!, partition)) this.#write(host.log(incarnation!, partition), batch, answer)
    else {
      // The batch is only in the log of this former leader until it hears of its successor.
      const changed = () => end(code.notLeader)
      const cancel = host.after(timeoutMs, () => end(code.requestTimedOut))
      const leave = () => {
        this.#waiting.delete(changed)
        cancel()
      }
      const end = (error: number) => {
        leave()
        answer(error)
      }
      this.#waiting.add(changed)
      return leave
    }
    return () => {}
  }

  #write(log: KafkaLog, batch: Buffer, answer: (error: number, base?: number) => void): void {
    const host = this.#host
    // Reading the image applies rewrites, which also cut the known sequence numbers.
    void log.image
    const numbers = numbersOf(batch)
    const known = numbers.producerId < 0 ? undefined : log.producers.judge(numbers)
    const hindrance = known === undefined ? host.hindrance(batch.length) : undefined
    if (known !== undefined) answer(known.error, known.base)
    else if (hindrance?.isWritten === false) answer(hindrance.error)
    else {
      const base = host.append(log, batch)
      log.producers.wrote(numbers, base)
      answer(hindrance?.error ?? 0, base)
    }
  }

  // Metadata and offsets

  #metadata(topic: string, throttleMs: number): Buffer {
    const { incarnation, leaders, alive } = this.image
    const nodes = this.#host.nodes.filter(({ id }) => alive.includes(id))
    const partitions = leaders.map((leader, index) => ({ index, leader }))
    if (this.#host.chance() < 0.3) partitions.reverse()
    const answer = {
      nodes: nodes.map(({ id, port }) => ({ id, host: `kafka-${id}`, port })),
      topic,
      error: incarnation === undefined ? code.unknownTopicOrPartition : 0,
      topicId: incarnation?.id ?? '0'.repeat(32),
      partitions: incarnation === undefined ? [] : partitions,
    }
    return writeMetadata(answer, throttleMs)
  }

  #offsets(asked: AskedOffset, throttleMs: number): Buffer {
    return writeOffset(asked, this.#offset(asked), throttleMs)
  }

  #offset(asked: AskedOffset): OffsetAnswer {
    const answer = (error: number, offset = -1) => ({ error, offset })
    const problem = this.#problem(asked.partition, asked.leaderEpoch)
    // Corrupt data makes reads fail, but the bounds of the log are still known.
    if (problem !== 0 && problem !== code.corruptMessage) return answer(problem)
    const { first, high, end, stable, entries } = this.#replica(asked.partition)
    if (asked.timeMs === -2) return answer(0, first)
    // A new leader does not know yet what is committed (KIP-207).
    if (high < end) return answer(code.leaderNotAvailable)
    if (asked.timeMs === -1) return answer(0, stable)
    const found = entries.find(({ offset, timeMs }) => offset < stable && Math.floor(timeMs) >= asked.timeMs)
    return answer(0, found?.offset)
  }
}

function refused(partition: number, error: number, leader?: Leader): FetchAnswer {
  const answer = { partition, error, high: -1, stable: -1, first: -1, aborted: [], records: none }
  const tellsLeader = leader !== undefined && (error === code.notLeader || error === fencedLeaderEpoch)
  return tellsLeader ? { ...answer, leader } : answer
}

interface Room {
  readonly bytes: number
  /** No batch precedes it in the answer: its first batch is returned whole, however large. */
  readonly isFirst: boolean
}

/**
 * Reads as kafka.cluster.Partition does. `cut` decides whether the answer contains a part of the
 * batch that has no room.
 */
function read(image: LogImage, asked: AskedPartition, room: Room, cut: number): FetchAnswer {
  const { partition, offset, lastFetchedEpoch } = asked
  const { first, high, stable, end, batches } = image
  const answer = { partition, error: 0, high, stable, first, aborted: [], records: none }
  if (lastFetchedEpoch >= 0) {
    const agreed = endOf(image, lastFetchedEpoch)
    if (agreed === undefined || offset < first) return refused(partition, code.offsetOutOfRange)
    if (agreed.epoch < lastFetchedEpoch || agreed.endOffset < offset) return { ...answer, diverging: agreed }
  }
  if (offset < first || offset > end) return refused(partition, code.offsetOutOfRange)
  const parts: Buffer[] = []
  let bytes = 0
  let upTo = offset
  for (let i = firstBatch(image, offset); i < batches.length; i++) {
    const { last, bytes: stored, unreadable } = batches[i]!
    if (last >= Math.min(stable, high)) break
    if (unreadable) {
      if (parts.length === 0) return refused(partition, code.corruptMessage)
      break
    }
    if (bytes + stored.length > room.bytes && !(room.isFirst && parts.length === 0)) {
      // A partition's first batch without room is left out completely
      // (ReplicaManager.readFromLog, since Fetch v3).
      if (parts.length > 0 && cut < 0.7)
        parts.push(stored.subarray(0, Math.max(0, Math.min(stored.length - 1, room.bytes - bytes))))
      break
    }
    parts.push(stored)
    bytes += stored.length
    upTo = last + 1
  }
  const aborted = image.aborted.filter(({ firstOffset, lastOffset }) => lastOffset >= offset && firstOffset < upTo)
  return { ...answer, aborted, records: Buffer.concat(parts) }
}

function firstBatch({ batches }: LogImage, offset: number): number {
  const at = batches.findIndex(({ last }) => last >= offset)
  return at < 0 ? batches.length : at
}

/**
 * Returns the end of the epoch, or of the newest one before it
 * (LeaderEpochFileCache.endOffsetFor); undefined = the epoch is newer than all.
 */
function endOf({ epochs, end }: LogImage, epoch: number): { epoch: number; endOffset: number } | undefined {
  if (epochs.at(-1)?.epoch === epoch) return { epoch, endOffset: end }
  const higher = epochs.find((each) => each.epoch > epoch)
  if (higher === undefined) return undefined
  const floor = epochs.findLast((each) => each.epoch <= epoch)
  return { epoch: floor?.epoch ?? epoch, endOffset: higher.offset }
}
