import type { Batch } from '../../src/source/embedded/batch.ts'
import type { Disk } from '../../src/source/embedded/disk.ts'
import { blocksOf, emptyImage, type Image, placeKey, withBatch, withBlock } from '../simulation/embedded/image.ts'

/** A disk that commits without delay. Its contents survive a close. */
export class MemoryDisk implements Disk {
  readonly dir = '/memory'
  image: Image = emptyImage
  /** Number of blocks that each commit dropped and wrote, in order. */
  readonly commits: { readonly dropped: number; readonly written: number }[] = []
  /** If set, commits resolve only after it. */
  telling: Promise<void> | undefined

  fact(key: string): unknown {
    return this.image.facts.get(key)
  }

  factsUnder(prefix: string): [string, unknown][] {
    return [...this.image.facts]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value])
  }

  block(id: number, partition: number, base: number): Buffer | undefined {
    return blocksOf(this.image, id, partition).find((each) => each.base === base)?.bytes
  }

  baseAtOrBelow(id: number, partition: number, offset: number): number | undefined {
    return blocksOf(this.image, id, partition).findLast(({ base }) => base <= offset)?.base
  }

  basesFrom(id: number, partition: number, offset: number, limit: number): number[] {
    const above = blocksOf(this.image, id, partition).filter(({ base }) => base >= offset)
    return above.slice(0, limit).map(({ base }) => base)
  }

  refresh(): void {}

  async write(batch: Batch): Promise<void> {
    const dropped = batch.blocks.filter(({ block }) => block === null).length
    this.commits.push({ dropped, written: batch.blocks.length - dropped })
    this.image = withBatch(this.image, batch)
    await this.telling
  }

  /** Replaces a stored block by `bytes`; undefined = removes it. */
  harm(id: number, partition: number, base: number, bytes: Buffer | undefined): void {
    this.image = withBlock(this.image, placeKey(id, partition), base, bytes)
  }

  async freeBytes(): Promise<number> {
    return Number.POSITIVE_INFINITY
  }

  async close(): Promise<void> {}
}
