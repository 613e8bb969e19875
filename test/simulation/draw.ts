import type { Random } from '../../src/base/random.ts'

export const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!

/** Draws an integer from `least` to `most`. */
export const between = (random: Random, [least, most]: readonly [number, number]): number =>
  Math.floor(least + random.next() * (most - least + 1))
