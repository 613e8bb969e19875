import { seededHash } from '../base/hash.ts'
import type { Membership } from '../fanout/hub.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { subjectBytes } from '../subject/bytes.ts'
import { isPattern, validatePattern } from '../subject/subject.ts'
import type { Policy } from '../wire/frames.ts'
import type { Position } from '../wire/token.ts'

/** One subject or pattern of a session, under the client's `ref` (0 for SSE and poll, which have no refs). */
export interface Subscription {
  readonly ref: number
  readonly subject: string
  readonly pattern: boolean
  readonly policy: Policy
  /** Its `subjectBytes`. */
  readonly bytes: string
  readonly hash: number
  readonly legs: Leg[]
  /** WebSocket: positions of its token in partitions that it does not read, to which its subjects may come. */
  carried: readonly Position[]
  /** Legs that have not joined the main reader of their partition yet; at 0 the client is told `live`. */
  joining: number
  /** Its client was told so, and takes what names no ref as meant for it too. */
  toldLive: boolean
  closed: boolean
}

/** A subscription's part in one partition. */
export interface Leg {
  readonly subscription: Subscription
  readonly feed: PartitionFeed
  /** Its place in the hub while it is the main reader's. */
  membership: Membership | undefined
}

/** One that has not begun. `seed` is that of the window's hashes. Throws where `subject` is none. */
export function newSubscription(ref: number, subject: string, seed: number, policy: Policy = 'lossless'): Subscription {
  validatePattern(subject)
  const utf8 = Buffer.from(subject)
  return {
    ref,
    subject,
    policy,
    pattern: isPattern(subject),
    bytes: subjectBytes(subject),
    hash: seededHash(utf8, 0, utf8.length, seed),
    legs: [],
    carried: [],
    joining: 0,
    toldLive: false,
    closed: false,
  }
}
