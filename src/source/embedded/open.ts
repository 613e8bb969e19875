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
  /** Gives records their time and paces retention; the system's clock unless a test holds it. */
  readonly clock?: LoopClock
}

/**
 * Opens the log in `options.dir`, creating it when it is missing. Rejects with `storage_locked` when another process has
 * it, and with `broker_unavailable` when the directory can't be used.
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
      `expected a directory for the embedded log that can be read and written, got ${dir}: ${(error as Error).message}`,
      { cause: error },
    )
  }
}
