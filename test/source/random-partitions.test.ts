import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom } from '../../src/base/random.ts'
import type { SourceRecord } from '../../src/log/record.ts'
import type { Offsets, Tail, TailSink } from '../../src/source/source.ts'
import { SimBroker } from '../simulation/broker.ts'
import { makeCluster } from '../simulation/clusters.ts'
import type { ClusterSurroundings, SimulatedCluster } from '../simulation/simulated-source.ts'
import { VirtualTime } from '../simulation/virtual-time.ts'

const kinds = { model: 'ranges', kafka: 'ranges', jetstream: 'times' } as const
const seeds = 25
const actions = 120
/**
 * Maximum interval between two actions, ms: some come while an answer is under way, others long
 * after.
 */
const pauseMs = 300

/**
 * A tail whose partitions are added and dropped at random, from outside and from within its sink,
 * while leaders move and brokers fail.
 */
class RandomTail implements TailSink {
  readonly #random: Random
  readonly #time = new VirtualTime()
  readonly #gateway = this.#time.process('gateway')
  readonly #broker: SimBroker
  readonly #cluster: SimulatedCluster
  /** Next offset of each partition that is read. */
  readonly #next = new Map<number, number>()
  readonly #violations: string[] = []
  #partitions = 3
  #tail: Tail | undefined
  /** Set when no more partitions are moved. */
  #isResting = false

  constructor(kind: keyof typeof kinds, seed: number) {
    this.#random = seededRandom(seed)
    this.#broker = new SimBroker(this.#time, this.#partitions, kinds[kind])
    this.#cluster = makeCluster(kind, { time: this.#time, broker: this.#broker, seed } as ClusterSurroundings)
  }

  async run(): Promise<void> {
    const source = this.#cluster.open(this.#gateway, this.#random, 1 + this.#below(20))
    for (let i = 0; i < 20; i++) this.#write()
    this.#gateway.after(0, () => {
      this.#tail = source.tail(this.#broker.info!, [], this)
    })
    for (let i = 0; i < actions; i++) {
      await this.#passes(this.#random.next() ** 3 * pauseMs)
      this.#gateway.after(0, () => this.#act())
    }
    this.#cluster.heal?.()
    await this.#passes(20_000)
    this.#gateway.after(0, () => this.#addAll())
    await this.#passes(20_000)
    this.#judgeEnd()
    this.#gateway.after(0, () => void source.close())
    await this.#passes(5000)
    assert.deepEqual(this.#violations, [])
  }

  // TailSink

  record({ partition, offset, buffer, valueStart, valueEnd }: SourceRecord): void {
    const next = this.#next.get(partition)
    if (offset !== next) this.#violations.push(`${partition}/${offset} was shown where ${next} was due`)
    const value = buffer.toString('latin1', valueStart, valueEnd)
    const written = this.#broker
      .log(partition)
      .find(offset, offset + 1, () => true)
      ?.value?.toString('latin1')
    if (value !== written) this.#violations.push(`${partition}/${offset} was shown as ${value}, not as ${written}`)
    this.#next.set(partition, offset + 1)
    if (this.#random.next() < 0.05) this.#move()
  }

  end(partition: number, next: number, { first, head }: Offsets): void {
    const due = this.#next.get(partition)
    if (next !== due) this.#violations.push(`a batch of ${partition} ends at ${next}, ${due} was due`)
    if (first > head) this.#violations.push(`${partition} is said to go from ${first} to ${head}`)
    if (this.#random.next() < 0.05) this.#move()
  }

  lost(partition: number, from: number, to: number, reason: string): void {
    const isTrue =
      reason === 'retention' && to < this.#broker.log(partition).first && from === this.#next.get(partition)
    if (!isTrue) this.#violations.push(`${partition}/${from}-${to} was told as lost to ${reason}`)
    this.#next.set(partition, to + 1)
    if (this.#random.next() < 0.2) this.#move()
  }

  recreated(): void {
    this.#violations.push('the stream is the one that it was')
  }

  grown({ partitions }: { partitions: number }): void {
    this.#partitions = partitions
    if (this.#random.next() < 0.5) this.#move()
  }

  state(): void {
    if (this.#random.next() < 0.2) this.#move()
  }

  // Actions

  #act(): void {
    const x = this.#random.next()
    if (x < 0.45) for (let i = this.#below(8); i >= 0; i--) this.#write()
    else if (x < 0.9) this.#move()
    else if (x < 0.97) this.#cluster.fault?.({ x: this.#random.next(), y: this.#random.next(), z: this.#random.next() })
    else if (this.#broker.partitions < 6) this.#broker.grow()
  }

  #write(): void {
    const { nowMs } = this.#time
    const log = this.#broker.log(this.#below(this.#broker.partitions))
    const value = Buffer.from(`${log.partition}/${log.end}`)
    const timeMs = this.#broker.process.nowUs() / 1000
    log.append({ key: null, value, event: undefined, timeMs, transaction: undefined, damaged: false }, nowMs)
  }

  /**
   * Drops a partition that is read, adds one that is not, or moves one to another position at
   * once.
   */
  #move(): void {
    if (this.#isResting) return
    const partition = this.#below(this.#partitions)
    const isRead = this.#next.delete(partition)
    if (isRead) this.#tail!.drop(partition)
    // Dropping a partition may end an outage, and a sink that is notified of that may add it
    // again.
    const isAbsent = !this.#next.has(partition)
    if (isAbsent && (!isRead || this.#random.next() < 0.5)) this.#add(partition)
  }

  #add(partition: number): void {
    const { first, end } = this.#broker.log(partition)
    const from = first + this.#below(end - first + 1)
    this.#next.set(partition, from)
    this.#tail!.add(partition, from)
  }

  #addAll(): void {
    this.#isResting = true
    for (let partition = 0; partition < this.#partitions; partition++) {
      if (!this.#next.has(partition)) this.#add(partition)
    }
  }

  #judgeEnd(): void {
    const { partitions } = this.#broker
    if (this.#partitions !== partitions)
      this.#violations.push(`${this.#partitions} partitions of ${partitions} are known`)
    for (const [partition, next] of this.#next) {
      const { end } = this.#broker.log(partition)
      if (next !== end) this.#violations.push(`${partition} is read up to ${next} of ${end}`)
    }
  }

  #below(count: number): number {
    return Math.floor(this.#random.next() * count)
  }

  #passes(ms: number): Promise<void> {
    return this.#time.runTo(this.#time.nowMs + ms)
  }
}

for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
  test(`${kind}: partitions that come and go at random are read from where they were added, in order and once`, async () => {
    for (let seed = 1; seed <= seeds; seed++) {
      await new RandomTail(kind, seed).run().catch((error: Error) => {
        throw new Error(`seed ${seed}: ${error.message}`)
      })
    }
  })
}
