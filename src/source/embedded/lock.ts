import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import { CarillonError } from '../../base/errors.ts'
import { makeDirectory } from './directory.ts'

/**
 * Directories that this process holds: LMDB's reader table distinguishes processes, not openings
 * within one.
 */
const held = new Set<string>()

/**
 * Locks `dir` for this process and returns the function that releases it. Throws `storage_locked`
 * if another process holds it: LMDB itself would let several processes write. The lock is a
 * reader slot in an empty store beside the log. LMDB backs each slot by a kernel lock that ends
 * with its process, so a crashed holder does not block others. If two processes lock at the same
 * instant, both may be refused.
 */
export function lockDirectory(dir: string): () => Promise<void> {
  const path = join(dir, 'lock')
  makeDirectory(path)
  const real = realpathSync(path)
  if (held.has(real)) throw locked(dir, process.pid)
  const store = open(path, { noSubdir: false, overlappingSync: false })
  const slot = store.useReadTransaction()
  store.get('')
  store.readerCheck()
  const other = readers(store.readerList()).find((pid) => pid !== process.pid)
  if (other === undefined) held.add(real)
  const release = async () => {
    slot.done()
    await store.close()
    if (other === undefined) held.delete(real)
  }
  if (other === undefined) return release
  void release()
  throw locked(dir, other)
}

/**
 * Parses the process ids in LMDB's table: a line of titles, then `pid thread transaction` for
 * each reader.
 */
function readers(table: string): number[] {
  return table
    .split('\n')
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid > 0)
}

const locked = (dir: string, pid: number) =>
  new CarillonError(
    'storage_locked',
    `expected to be the only process on the embedded log in ${dir}, but process ${pid} has it open; ` +
      'stop that process or use another directory',
  )
