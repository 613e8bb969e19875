import type { Random } from '../../../src/base/random.ts'
import type { Batch } from '../../../src/source/embedded/batch.ts'
import type { Disk } from '../../../src/source/embedded/disk.ts'
import { spareBytes } from '../../../src/source/embedded/store.ts'
import type { Process, VirtualTime } from '../virtual-time.ts'
import { blocksOf, emptyImage, type Image, type ImageBlock, withBatch } from './image.ts'

/** When a killed process had its commit under way. */
export type KillPhase = 'before' | 'while' | 'after'

export interface MediumSurroundings {
  readonly time: VirtualTime
  /** The host, which a killed process leaves behind. */
  readonly host: Process
  readonly random: Random
  crash(process: Process): void
  /** The batch became durable. */
  committed(batch: Batch, by: Process): void
}

/** What outlives the processes that open it, one at a time. */
export class Medium {
  image: Image = emptyImage
  holder: ModelDisk | undefined
  /** Upper bound of each step of a commit, ms. */
  latencyMs = 6
  /** Writes fail: there is no room, or the device fails. */
  failing: 'full' | 'broken' | undefined
  /** So many commits more fail. */
  failures = 0
  /** The process is killed at its next commit. */
  killing: KillPhase | undefined
  readonly surroundings: MediumSurroundings

  constructor(surroundings: MediumSurroundings) {
    this.surroundings = surroundings
  }

  open(process: Process): ModelDisk {
    if (this.holder !== undefined) throw new Error(`${this.holder.process.name} has the log open`)
    this.holder = new ModelDisk(this, process)
    return this.holder
  }

  latency(): number {
    return this.surroundings.random.next() * this.latencyMs
  }

  apply(batch: Batch, by: Process): void {
    this.image = withBatch(this.image, batch)
    this.surroundings.committed(batch, by)
  }
}

interface Write {
  readonly batch: Batch
  /** It is certain that nothing of it is stored. */
  isLost: boolean
}

/** How long reads may share a snapshot, ms: as LMDB's binding, whose timer ends it. */
const snapshotMs = 1

/**
 * LMDB as one process has it open. A commit is durable as a whole or not at all, before its promise resolves; reads may be of a
 * snapshot, and what they return is overwritten by the next one.
 */
export class ModelDisk implements Disk {
  readonly dir = '/simulated'
  readonly process: Process
  readonly #medium: Medium
  #snapshot: Image | undefined
  #snapshotUntilMs = 0
  #scratch = Buffer.alloc(2048)
  /** Commits that are under way, in order: none is durable before the one ahead of it. */
  readonly #writes: Write[] = []
  #lastMs = 0
  #isClosed = false

  constructor(medium: Medium, process: Process) {
    this.#medium = medium
    this.process = process
  }

  fact(key: string): unknown {
    return structuredClone(this.#look().facts.get(key))
  }

  factsUnder(prefix: string): [string, unknown][] {
    return [...this.#look().facts]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key.slice(prefix.length), structuredClone(value)])
  }

  block(id: number, partition: number, base: number): Buffer | undefined {
    const found = this.#blocks(id, partition).find((each) => each.base === base)
    if (found === undefined) return undefined
    const { bytes } = found
    if (bytes.length > this.#scratch.length) this.#scratch = Buffer.alloc(2 * bytes.length)
    bytes.copy(this.#scratch)
    return this.#scratch.subarray(0, bytes.length)
  }

  baseAtOrBelow(id: number, partition: number, offset: number): number | undefined {
    return this.#blocks(id, partition).findLast(({ base }) => base <= offset)?.base
  }

  basesFrom(id: number, partition: number, offset: number, limit: number): number[] {
    const above = this.#blocks(id, partition).filter(({ base }) => base >= offset)
    return above.slice(0, limit).map(({ base }) => base)
  }

  refresh(): void {
    this.#snapshot = undefined
  }

  write(batch: Batch): Promise<void> {
    const { surroundings, killing } = this.#medium
    const { time, host } = surroundings
    const write: Write = { batch, isLost: killing === 'before' }
    this.#writes.push(write)
    const dueMs = Math.max(this.#lastMs, time.nowMs + this.#medium.latency())
    this.#lastMs = dueMs
    const kill = () => surroundings.crash(this.process)
    if (killing === 'before') time.add(host, 0, kill)
    if (killing === 'while') time.add(host, (dueMs - time.nowMs) / 2, kill)
    if (killing === 'before' || killing === 'while') this.#medium.killing = undefined
    return new Promise((resolve, reject) => {
      time.add(host, dueMs - time.nowMs, () => this.#finish(write, resolve, reject))
    })
  }

  freeBytes(): Promise<number> {
    const free = this.#medium.failing === 'full' ? spareBytes / 2 : 1 << 30
    return this.#later(() => free)
  }

  async close(): Promise<void> {
    await this.#later(() => {})
    this.#isClosed = true
  }

  /** Lets go of it in order, everything being written. */
  async release(): Promise<void> {
    if (this.#writes.length > 0 || !this.#isClosed) throw new Error('a log is left that is still open')
    this.#left()
  }

  /** Its process is dead. What was under way may have come to be durable, from the first on. */
  killed(): void {
    for (const write of this.#writes.splice(0)) {
      if (write.isLost || this.#medium.surroundings.random.next() < 0.5) break
      this.#medium.apply(write.batch, this.process)
    }
    this.#left()
  }

  #left(): void {
    if (this.#medium.holder === this) this.#medium.holder = undefined
  }

  #finish(write: Write, resolve: () => void, reject: (error: Error) => void): void {
    if (this.process.dead || this.#writes.shift() !== write) return
    const medium = this.#medium
    const { time, crash } = medium.surroundings
    const error = this.#failure()
    if (error === undefined) medium.apply(write.batch, this.process)
    if (medium.killing === 'after') {
      medium.killing = undefined
      crash(this.process)
      return
    }
    time.add(this.process, medium.latency(), error === undefined ? resolve : () => reject(error))
  }

  #failure(): Error | undefined {
    const medium = this.#medium
    const isFull = medium.failing === 'full'
    // There may be room within the file.
    const fails = medium.failing !== undefined && !(isFull && medium.surroundings.random.next() < 0.2)
    if (!fails && medium.failures === 0) return undefined
    if (!fails) medium.failures--
    return new Error(isFull ? 'No space left on device' : 'Input/output error')
  }

  #later<T>(look: () => T): Promise<T> {
    const { time } = this.#medium.surroundings
    return new Promise((resolve) => time.add(this.process, this.#medium.latency(), () => resolve(look())))
  }

  #blocks(id: number, partition: number): readonly ImageBlock[] {
    this.#scratch.fill(0xff)
    return blocksOf(this.#look(), id, partition)
  }

  #look(): Image {
    const { nowMs } = this.#medium.surroundings.time
    if (this.#snapshot === undefined || nowMs > this.#snapshotUntilMs) {
      this.#snapshot = this.#medium.image
      this.#snapshotUntilMs = nowMs + snapshotMs
    }
    return this.#snapshot
  }
}
