import type { Mutant } from './mutant.ts'

export const embeddedMutants: readonly Mutant[] = [
  {
    name: 'record times go back with the clock',
    file: 'source/embedded/appender.ts',
    from: 'timeMs = Math.max(timeMs, append.timeMs)',
    to: 'timeMs = append.timeMs',
    by: { unit: 'test/source/embedded.test.ts' },
    breaks: 'record times never go back within a partition',
  },
  {
    name: 'records are acknowledged before they are durable',
    file: 'source/embedded/store.ts',
    from: '      await this.#write(batch)\n      this.refresh()',
    to: '      void this.#write(batch)\n      this.refresh()',
    by: { unit: 'test/source/embedded.test.ts' },
    breaks: 'an acknowledged event is on the disk',
  },
  {
    name: 'retention takes one record more than it took',
    file: 'source/embedded/tail.ts',
    from: "this.#sink.lost(partition, next, first - 1, 'retention')\n      next = first",
    to: "this.#sink.lost(partition, next, first, 'retention')\n      next = first + 1",
    by: { unit: 'test/source/embedded.test.ts' },
    breaks: 'a record that is in the log is shown',
  },
  {
    name: 'a damaged block counts as the oldest',
    file: 'source/embedded/sweeper.ts',
    from: 'return { next, bytes, lastMs: log.bounds.timeMs }',
    to: 'return { next, bytes, lastMs: 0 }',
    by: { unit: 'test/source/embedded.test.ts' },
    breaks: 'a damaged block is told `corrupt`, and kept as long as it may be young',
  },
  {
    name: 'a damaged block takes all behind it along',
    file: 'source/embedded/reader.ts',
    from: 'const next = Math.min(to, this.#store.basesFrom(log.id, log.partition, from + 1, 1)[0] ?? to)',
    to: 'const next = to',
    by: { unit: 'test/source/embedded.test.ts' },
    breaks: 'a damaged block loses its own records and no others',
  },
  {
    name: "after a restart a new stream has a deleted one's id",
    file: 'source/embedded/source.ts',
    from: '      batch.putLastId(stored.id)\n',
    to: '',
    by: { unit: 'test/source/embedded.test.ts' },
    breaks: "a deleted stream's blocks can't come back under a new one",
  },
]
