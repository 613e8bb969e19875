import type { Random } from './random.ts'

const leastMs = 1000
const spreadMs = 2000

/** When whoever finds no room may come back, ms: after a second at least, and not all at once. */
export const retryLaterMs = (random: Random): number => Math.ceil(leastMs + random.next() * spreadMs)
