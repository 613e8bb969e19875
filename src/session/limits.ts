import { LimitReached } from '../base/limits.ts'
import { maxSubjectBytes } from '../subject/subject.ts'
import { maxTokenLength } from '../wire/token.ts'
import type { SessionLimits } from './options.ts'

/** Beside its subject or pattern: quotes, a comma and some that are escaped. */
const quotingBytes = 16

/** As long as JSON may be that names so many subscriptions, and tokens with as many positions as there may be. */
export function maxRequestBytes({ maxSubscriptions }: Pick<SessionLimits, 'maxSubscriptions'>): number {
  return maxSubscriptions * (maxSubjectBytes + quotingBytes) + 2 * maxTokenLength
}

/** Throws where a session that has so many subscriptions may not have so many more. */
export function requireRoom({ maxSubscriptions }: SessionLimits, has: number, more: number): void {
  if (has + more <= maxSubscriptions) return
  const said = `a session may have ${maxSubscriptions} subscriptions, this would be ${has + more}`
  const advice = 'unsubscribe some, use a pattern, or open another session'
  throw new LimitReached('maxSubscriptions', 'too_many_subscriptions', `${said}: ${advice}`)
}

/** Throws where a token can't name so many partitions. */
export function requireTokenRoom({ maxTokenPartitions }: SessionLimits, partitions: number): void {
  if (partitions <= maxTokenPartitions) return
  const said = `these subjects span ${partitions} partitions; at most ${maxTokenPartitions} fit in the token of this transport`
  throw new LimitReached('tokenPartitions', 'bad_request', `${said}: use the WebSocket, or fewer or narrower subjects`)
}
