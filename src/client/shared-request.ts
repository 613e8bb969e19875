import { type SubscribeOptions, subscribeOptions } from '../wire/frames.ts'
import { isSameLog, keyOf, type Log, type Position, partitionKeyOf } from '../wire/token.ts'
import type { SubscribeRequest } from './connection.ts'
import { contradict, lowestToken } from './resume-point.ts'
import type { TrackedSubscription } from './tracked-subscription.ts'

/** One request for subscriptions that share one position. */
export interface SharedRequest extends SubscribeOptions {
  readonly members: readonly TrackedSubscription[]
  readonly after: readonly string[]
  /**
   * When the next request, for others or for more, replaces it. `change` = not before a
   * subscription joins or leaves.
   */
  readonly until: 'position' | 'live' | 'change'
}

/**
 * Chooses which subscriptions share a request with one position. That is the lowest position of
 * each partition: some events arrive again, and their offsets identify them. Four cases come
 * first:
 * - Subscriptions that start at `latest`, `earliest` or a time are requested separately until
 *   their position is known. With `last`, that lasts until they are live: a position does not tell
 *   which events below the head were requested.
 * - After a refusal, each is requested alone, to find out which one it concerns.
 * - A subscription in another history than the reported one is requested alone until it is live.
 * - Subscriptions may know different incarnations of a stream or partition, or different
 *   histories, or one of them may not know the number of partitions. Only the gateway can tell
 *   what that means for each. They are in separate requests until each is live, and so has its
 *   gaps. A disagreement that remains is a position that one of them only carries.
 */
export class SharedRequestPlanner {
  /** Number of times that a connection has become live. */
  #turn = 0
  /** The turn in which each present disagreement appeared. */
  #since = new Map<string, number>()

  next(all: readonly TrackedSubscription[]): SharedRequest {
    const alone = all.find((tracked) => tracked.alone === 'wanted')
    if (alone !== undefined) return requestFor([alone], all, 'position')
    const conflicting = all.find((tracked) => tracked.inConflict)
    if (conflicting !== undefined) return requestFor([conflicting], all, 'live')
    const fresh = all.filter(({ hasResumePoint }) => !hasResumePoint)
    if (fresh.length > 0) {
      const { last } = fresh[0]!.request(0)
      return requestFor(fresh.filter(startsLike(fresh[0]!)), all, last === undefined ? 'position' : 'live')
    }
    const unjudged = this.#unjudged(all)
    if (unjudged.length === 0) return requestFor(all, all, 'change')
    return requestFor(agreeing([...new Set([...unjudged, ...all])]), all, 'live')
  }

  /** The gateway has reported everything about the positions of these subscriptions. */
  live(members: readonly TrackedSubscription[]): void {
    this.#turn++
    for (const tracked of members) tracked.judged = this.#turn
  }

  /**
   * Notes the logs that the gateway reads. Returns true if a member was last served from another
   * log of the same stream: the gateway reports no gap of a log in which other members already
   * are.
   */
  reads(members: readonly TrackedSubscription[], logs: readonly Log[]): boolean {
    const others = members.filter((each) => logs.some((log) => !isSameLog(each.logs.get(log.nameHash) ?? log, log)))
    for (const tracked of others) tracked.judged = -1
    for (const tracked of members) for (const log of logs) tracked.logs.set(log.nameHash, log)
    return others.length > 0
  }

  /** Returns those that disagree and have not been live since: once for each disagreement. */
  #unjudged(all: readonly TrackedSubscription[]): TrackedSubscription[] {
    const present = disagreements(all)
    this.#since = new Map([...present.keys()].map((each) => [each, this.#since.get(each) ?? this.#turn]))
    return [...present].flatMap(([each, members]) => members.filter(({ judged }) => judged <= this.#since.get(each)!))
  }
}

/**
 * Returns the disagreements about a stream or partition, each with the subscriptions that know it.
 * A key stays the same as long as its disagreement does.
 */
function disagreements(all: readonly TrackedSubscription[]): Map<string, TrackedSubscription[]> {
  const byWhat = new Map<string, [knowledge: string, TrackedSubscription][]>()
  for (const tracked of all) {
    for (const [what, knowledge] of knowledgeOf(tracked)) append(byWhat, what, [knowledge, tracked])
  }
  const found = [...byWhat].filter(([, known]) => known.some(([knowledge]) => knowledge !== known[0]![0]))
  const contradictory = [...histories(all)].filter(([, known]) => isContradictory(known.map(([position]) => position)))
  const entries: [string, [unknown, TrackedSubscription][]][] = [
    ...found,
    ...contradictory.map(([key, known]): [string, [unknown, TrackedSubscription][]] => [
      key,
      known.map(([{ generation }, tracked]) => [generation, tracked]),
    ]),
  ]
  return new Map(
    entries.map(([what, known]) => {
      const who = known.map(([knowledge, { subject }]) => `${subject} ${knowledge}`)
      return [`${what}: ${who.sort().join()}`, known.map(([, tracked]) => tracked)]
    }),
  )
}

/** Returns the positions with a known generation, by `keyOf`. */
function histories(all: readonly TrackedSubscription[]): Map<string, [Position, TrackedSubscription][]> {
  const found = new Map<string, [Position, TrackedSubscription][]>()
  for (const tracked of all) {
    for (const position of tracked.resumePoint.positions) {
      if (position.generation < 0) continue
      append(found, keyOf(position), [position, tracked])
    }
  }
  return found
}

/** Whether any two positions contradict; comparing neighbours by offset is enough. */
function isContradictory(positions: readonly Position[]): boolean {
  const sorted = positions.toSorted((a, b) => a.offset - b.offset)
  return sorted.some((position, i) => i > 0 && contradict(sorted[i - 1]!, position))
}

/**
 * Returns what a subscription knows. By stream: the incarnations, and the highest partition if it
 * does not know their number. By partition: the incarnations of its positions there. Of two
 * positions in one partition a gateway takes the one in the log that it reads, and reports nothing
 * about the other.
 */
function knowledgeOf({ resumePoint }: TrackedSubscription): Map<string, string> {
  const incarnations = new Map<string, Set<number>>()
  const last = new Map<string, number>()
  for (const position of resumePoint.positions) {
    const stream = `${position.nameHash}`
    for (const what of [stream, partitionKeyOf(position)]) {
      incarnations.set(what, (incarnations.get(what) ?? new Set()).add(position.incarnationHash))
    }
    const isCounted = resumePoint.counts.some((each) => isSameLog(each, position))
    if (!isCounted) last.set(stream, Math.max(last.get(stream) ?? -1, position.partition))
  }
  return new Map([...incarnations].map(([what, known]) => [what, `${[...known].sort()} ${last.get(what) ?? -1}`]))
}

function requestFor(
  members: readonly TrackedSubscription[],
  all: readonly TrackedSubscription[],
  until: SharedRequest['until'],
): SharedRequest {
  const isPlaced = members.every(({ hasResumePoint }) => hasResumePoint)
  const lowest = isPlaced ? lowestToken(members.flatMap(({ resumePoint }) => resumePoint.token ?? [])) : undefined
  const { after, last }: Omit<SubscribeRequest, 'subject' | 'ref'> =
    lowest === undefined ? members[0]!.request(0) : { after: [lowest] }
  // One subscription may need what another one leaves out.
  const policy = members.every((tracked) => tracked.policy === 'latest') ? 'latest' : undefined
  return {
    members,
    after,
    ...subscribeOptions(last, policy),
    until: members.length === all.length ? 'change' : until,
  }
}

function startsLike(first: TrackedSubscription): (tracked: TrackedSubscription) => boolean {
  const start = (tracked: TrackedSubscription) => JSON.stringify([tracked.request(0).after, tracked.request(0).last])
  const own = start(first)
  return (tracked) => start(tracked) === own
}

/**
 * Returns the first subscription, and those whose knowledge of each stream and partition equals
 * that of the ones before them, or is empty.
 */
function agreeing(all: readonly TrackedSubscription[]): TrackedSubscription[] {
  const known = new Map<string, string>()
  const accepted = new Map<string, Position[]>()
  return all.filter((tracked) => {
    const own = [...knowledgeOf(tracked)]
    if (own.some(([what, knowledge]) => (known.get(what) ?? knowledge) !== knowledge)) return false
    const { positions } = tracked.resumePoint
    if (positions.some((each) => accepted.get(keyOf(each))?.some((other) => contradict(other, each)))) return false
    for (const each of positions) append(accepted, keyOf(each), each)
    for (const [what, knowledge] of own) known.set(what, knowledge)
    return true
  })
}

function append<K, V>(to: Map<K, V[]>, key: K, value: V): void {
  const all = to.get(key)
  if (all === undefined) to.set(key, [value])
  else all.push(value)
}
