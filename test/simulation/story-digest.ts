import { createHash } from 'node:crypto'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

export const storyHash = (trace: readonly string[]): string => sha256(trace.join('\n'))

/** One hash over the stories of many seeds, whoever ran which of them and in which order; undefined while one is missing. */
export function storiesDigest(seeds: readonly number[], hashes: ReadonlyMap<number, string>): string | undefined {
  if (seeds.some((seed) => !hashes.has(seed))) return undefined
  return sha256(seeds.map((seed) => `${seed} ${hashes.get(seed)}\n`).join(''))
}
