import { CarillonError } from '../base/errors.ts'

export interface SessionLimits {
  /** Subscriptions a session may have. */
  readonly maxSubscriptions: number
  /** Partitions that one SSE or poll session may span: its token names each. */
  readonly maxTokenPartitions: number
  /** Refused frames, one after the other, until the session ends. */
  readonly maxErrors: number
  /** Control frames that wait for a full socket, until the session ends. */
  readonly maxWaitingFrames: number
  /** The same in bytes: `subscribed` may say 1024 positions. */
  readonly maxWaitingBytes: number
  /**
   * WebSocket: positions of its tokens in partitions that its subjects may come into later. Of a subscription that would have more of them
   * none are kept: its subject begins there as if its token did not name it, and it is told.
   */
  readonly maxCarried: number
  /** Records looked at in one slice of a session that is behind; at least two, one to be found and one to be given. */
  readonly lookPerSlice: number
}

export const sessionLimits: SessionLimits = {
  maxSubscriptions: 1000,
  maxTokenPartitions: 128,
  maxErrors: 32,
  maxWaitingFrames: 4096,
  maxWaitingBytes: 4 << 20,
  maxCarried: 16_384,
  lookPerSlice: 128,
}

/** Throws where a session that has so many subscriptions may not have so many more. */
export function requireRoom({ maxSubscriptions }: SessionLimits, has: number, more: number): void {
  if (has + more <= maxSubscriptions) return
  const said = `a session may have ${maxSubscriptions} subscriptions, this would be ${has + more}`
  throw new CarillonError('too_many_subscriptions', `${said}: unsubscribe some, use a pattern, or open another session`)
}

/** Throws where a token can't name so many partitions. */
export function requireTokenRoom({ maxTokenPartitions }: SessionLimits, partitions: number): void {
  if (partitions <= maxTokenPartitions) return
  const said = `these subjects span ${partitions} partitions; at most ${maxTokenPartitions} fit in the token of this transport`
  throw new CarillonError('bad_request', `${said}: use the WebSocket, or fewer or narrower subjects`)
}
