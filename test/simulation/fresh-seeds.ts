import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Below these lie the seeds that people type. */
const leastFresh = 10_000_000
/** `seededRandom` tells seeds apart up to here. */
const seedLimit = 2 ** 32

/**
 * Seeds that no run has seen before the code or its tests changed: a range that follows from the contents of `src` and `test` as they lie in the work
 * tree, so that a run before a commit and CI's run of that commit take the same ones. undefined where git does not know the folder.
 */
export function freshSeeds(root: string, count: number): readonly [from: number, to: number] | undefined {
  const files = filesOf(root)
  if (files === undefined) return undefined
  const hash = createHash('sha256')
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0')
  const from = leastFresh + (hash.digest().readUIntBE(0, 6) % (seedLimit - leastFresh - count))
  return [from, from + count - 1]
}

/** What git tracks or would track, less what was deleted. */
function filesOf(root: string): string[] | undefined {
  const list = (...which: string[]): string[] =>
    execFileSync('git', ['ls-files', '-z', ...which, 'src', 'test'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .split('\0')
      .filter((file) => file !== '')
  try {
    const deleted = new Set(list('--deleted'))
    const files = new Set(list('--cached', '--others', '--exclude-standard'))
    return [...files].filter((file) => !deleted.has(file)).sort()
  } catch {
    return undefined
  }
}
