import { createHash } from 'node:crypto'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

export const storyHash = (trace: readonly string[]): string => sha256(trace.join('\n'))

/**
 * Returns one hash over the stories of many seeds, independent of threads and order; undefined =
 * a story is missing.
 */
export function storiesDigest(seeds: readonly number[], hashes: ReadonlyMap<number, string>): string | undefined {
  if (seeds.some((seed) => !hashes.has(seed))) return undefined
  return sha256(seeds.map((seed) => `${seed} ${hashes.get(seed)}\n`).join(''))
}
