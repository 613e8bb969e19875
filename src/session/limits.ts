import { LimitReached } from '../base/limits.ts'
import { maxSubjectBytes } from '../subject/subject.ts'
import { maxTokenLength } from '../wire/token.ts'
import type { SessionLimits } from './options.ts'

/** Bytes of JSON beside each subject or pattern: quotes, a comma and some escapes. */
const quotingBytes = 16

/**
 * Returns the maximum length of a JSON request, bytes: one that names the maximum of
 * subscriptions, and tokens with the maximum of positions.
 */
export function maxRequestBytes({ maxSubscriptions }: Pick<SessionLimits, 'maxSubscriptions'>): number {
  return maxSubscriptions * (maxSubjectBytes + quotingBytes) + 2 * maxTokenLength
}

/** Throws if a session that has `has` subscriptions may not have `more`. */
export function requireRoom({ maxSubscriptions }: SessionLimits, has: number, more: number): void {
  if (has + more <= maxSubscriptions) return
  const problem = `a session may have ${maxSubscriptions} subscriptions, this would be ${has + more}`
  const advice = 'unsubscribe some, use a pattern, or open another session'
  throw new LimitReached('maxSubscriptions', 'too_many_subscriptions', `${problem}: ${advice}`)
}

/** Throws if a token cannot name this many partitions. */
export function requireTokenRoom({ maxTokenPartitions }: SessionLimits, partitions: number): void {
  if (partitions <= maxTokenPartitions) return
  const problem = `these subjects span ${partitions} partitions; at most ${maxTokenPartitions} fit in the token of this transport`
  throw new LimitReached(
    'tokenPartitions',
    'bad_request',
    `${problem}: use the WebSocket, or fewer or narrower subjects`,
  )
}
