import type { Random } from './random.ts'

const leastMs = 1000
const spreadMs = 2000

/**
 * Returns a delay before a refused client may retry, ms: at least a second, spread so that not
 * all retry at once.
 */
export const retryLaterMs = (random: Random): number => Math.ceil(leastMs + random.next() * spreadMs)
