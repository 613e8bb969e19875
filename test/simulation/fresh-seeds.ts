import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Smallest fresh seed. People type smaller ones. */
const leastFresh = 10_000_000
/** `seededRandom` distinguishes seeds below this. */
const seedLimit = 2 ** 32

/**
 * Returns seeds that change whenever the code or its tests change: a range derived from the
 * contents of `src` and `test` in the work tree, so that a run before a commit and CI's run of
 * that commit use the same seeds. undefined = the folder is not a git work tree.
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

/** Returns the files that git tracks or would track, without deleted ones. */
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
