import { randomUUID } from 'node:crypto'
import { type LoopClock, loopClock } from '../../base/clock.ts'
import { CarillonError } from '../../base/errors.ts'
import type { SourceContext } from '../source.ts'
import { makeDirectory } from './directory.ts'
import { LmdbDisk } from './lmdb.ts'
import { lockDirectory } from './lock.ts'
import { type EmbeddedOptions, embeddedDefaults } from './options.ts'
import { EmbeddedSource } from './source.ts'
import { Store } from './store.ts'

export interface EmbeddedContext extends SourceContext {
  /** Source of record times and of the retention schedule; the system's clock by default. */
  readonly clock?: LoopClock
}

/**
 * Opens the log in `options.dir`, creating it if it is missing. Rejects with `storage_locked` if
 * another process has it open, and with `broker_unavailable` if the directory cannot be used.
 */
export async function openEmbedded(
  options: Pick<EmbeddedOptions, 'dir'> & Partial<EmbeddedOptions>,
  context: EmbeddedContext,
): Promise<EmbeddedSource> {
  const { dir } = options
  let release: (() => Promise<void>) | undefined
  try {
    makeDirectory(dir)
    release = lockDirectory(dir)
    const clock = context.clock ?? loopClock()
    return new EmbeddedSource(
      { ...embeddedDefaults, ...options },
      {
        log: context.log,
        clock,
        store: new Store(new LmdbDisk(dir, clock), clock),
        newIncarnation: randomUUID,
        release,
      },
    )
  } catch (error) {
    await release?.()
    if (error instanceof CarillonError) throw error
    throw new CarillonError(
      'broker_unavailable',
      `expected a readable and writable directory for the embedded log, got ${dir}: ${(error as Error).message}`,
      { cause: error },
    )
  }
}
