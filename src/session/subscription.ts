import { seededHash } from '../base/hash.ts'
import type { Membership } from '../fanout/hub.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { subjectBytes } from '../subject/bytes.ts'
import { isPattern, tokens, validatePattern } from '../subject/subject.ts'
import type { Policy } from '../wire/frames.ts'
import type { Position } from '../wire/token.ts'
import { sizes } from './account.ts'

/**
 * One subject or pattern of a session, under the client's `ref` (0 over SSE and poll, which have no
 * refs).
 */
export interface Subscription {
  readonly ref: number
  readonly subject: string
  readonly pattern: boolean
  readonly policy: Policy
  /** The `subjectBytes` of `subject`. */
  readonly bytes: string
  readonly hash: number
  legs: Leg[]
  /**
   * WebSocket: positions of its token in partitions that it does not read, and that its subjects
   * may move into.
   */
  carried: readonly Position[]
  /**
   * Legs that have not joined the main reader of their partition yet; at 0 the session sends
   * `live`.
   */
  joining: number
  /** Whether `live` was sent: its client then applies frames without refs to it too. */
  toldLive: boolean
  closed: boolean
  /** Memory cost of the subscription and of each of its legs, bytes. */
  readonly ownBytes: number
  readonly legBytes: number
  /** Bytes reserved for it until it has begun. */
  reserved: number
}

/** A subscription's part in one partition. */
export interface Leg {
  readonly subscription: Subscription
  readonly feed: PartitionFeed
  /** Its membership in the hub, while the main reader serves it. */
  membership: Membership | undefined
}

const none: readonly Position[] = []

/**
 * Creates a subscription that has not begun. `seed` is that of the window's hashes. Throws if
 * `subject` is invalid.
 */
export function newSubscription(ref: number, subject: string, seed: number, policy: Policy = 'lossless'): Subscription {
  validatePattern(subject)
  const utf8 = Buffer.from(subject)
  const bytes = subjectBytes(subject)
  const pattern = isPattern(subject)
  // The partition's hub has a second copy of the bytes if they are not ASCII.
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

/** Adds a leg in one more partition. */
export function newLeg(subscription: Subscription, feed: PartitionFeed): Leg {
  const leg: Leg = { subscription, feed, membership: undefined }
  // An array that is pushed to starts with a capacity of 17, and most have one element.
  if (subscription.legs.length === 0) subscription.legs = [leg]
  else subscription.legs.push(leg)
  return leg
}
