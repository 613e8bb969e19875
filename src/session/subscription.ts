import { seededHash } from '../base/hash.ts'
import type { Membership } from '../fanout/hub.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { subjectBytes } from '../subject/bytes.ts'
import { isPattern, tokens, validatePattern } from '../subject/subject.ts'
import type { Policy } from '../wire/frames.ts'
import type { Position } from '../wire/token.ts'
import { sizes } from './account.ts'

/** One subject or pattern of a session, under the client's `ref` (0 for SSE and poll, which have no refs). */
export interface Subscription {
  readonly ref: number
  readonly subject: string
  readonly pattern: boolean
  readonly policy: Policy
  /** Its `subjectBytes`. */
  readonly bytes: string
  readonly hash: number
  legs: Leg[]
  /** WebSocket: positions of its token in partitions that it does not read, to which its subjects may come. */
  carried: readonly Position[]
  /** Legs that have not joined the main reader of their partition yet; at 0 the client is told `live`. */
  joining: number
  /** Its client was told so, and takes what names no ref as meant for it too. */
  toldLive: boolean
  closed: boolean
  /** What the session takes for it, and for each of its legs, bytes. */
  readonly ownBytes: number
  readonly legBytes: number
  /** What is kept free for it until it has begun. */
  reserved: number
}

/** A subscription's part in one partition. */
export interface Leg {
  readonly subscription: Subscription
  readonly feed: PartitionFeed
  /** Its place in the hub while it is the main reader's. */
  membership: Membership | undefined
}

const none: readonly Position[] = []

/** One that has not begun. `seed` is that of the window's hashes. Throws where `subject` is none. */
export function newSubscription(ref: number, subject: string, seed: number, policy: Policy = 'lossless'): Subscription {
  validatePattern(subject)
  const utf8 = Buffer.from(subject)
  const bytes = subjectBytes(subject)
  const pattern = isPattern(subject)
  // Where it is not ASCII the partition's hub has its bytes once more.
  const text = bytes === subject ? subject.length : 2 * (subject.length + bytes.length) + sizes.bytes
  const depth = tokens(subject).length - (subject.endsWith('>') ? 1 : 0)
  const there = pattern ? sizes.pattern + text + depth * sizes.token : sizes.subject
  return {
    ref,
    subject,
    policy,
    pattern,
    bytes,
    hash: seededHash(utf8, 0, utf8.length, seed),
    legs: [],
    carried: none,
    joining: 0,
    toldLive: false,
    closed: false,
    ownBytes: sizes.subscription + text,
    legBytes: sizes.leg + there,
    reserved: 0,
  }
}

/** Its part in one more partition. */
export function newLeg(subscription: Subscription, feed: PartitionFeed): Leg {
  const leg: Leg = { subscription, feed, membership: undefined }
  // A list that is pushed to begins with room for 17, and most have one.
  if (subscription.legs.length === 0) subscription.legs = [leg]
  else subscription.legs.push(leg)
  return leg
}
