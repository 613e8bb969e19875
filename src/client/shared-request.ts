import { type SubscribeOptions, subscribeOptions } from '../wire/frames.ts'
import { isSameLog, keyOf, type Log, type Position, partitionKeyOf } from '../wire/token.ts'
import type { SubscribeRequest } from './connection.ts'
import { contradict, lowestToken } from './resume-point.ts'
import type { TrackedSubscription } from './tracked-subscription.ts'

/** What one request asks for where all subscriptions share one position. */
export interface SharedRequest extends SubscribeOptions {
  readonly members: readonly TrackedSubscription[]
  readonly after: readonly string[]
  /** When the next request, for others or for more, takes its place; `change` = not before somebody comes or goes. */
  readonly until: 'position' | 'live' | 'change'
}

/**
 * Who is asked for together, where there is one position for all. It is the lowest of each partition: what some have had already comes
 * again, and is known by its offset. Four things have to come first:
 * - what starts at `latest`, `earliest` or a time is asked for by itself, until its position is known; with `last`, until it is live: a
 *   position does not say which events below the head were wanted;
 * - after a refusal each is asked for by itself, to find out whom it is about;
 * - who stands in another history than the others are told of is asked for by itself, until it is live;
 * - of two that know different incarnations of a stream or of a partition, or different histories of one, only the gateway can tell what
 *   that means for each, and likewise where one does not say how many partitions it knows of: they are served apart until each is live, and
 *   so has been told.
 *   What they still disagree in is a position that one of them only carries.
 */
export class SharedRequestPlanner {
  /** Times that a connection has become live. */
  #turn = 0
  /** The turn in which each present disagreement was seen first. */
  #since = new Map<string, number>()

  next(all: readonly TrackedSubscription[]): SharedRequest {
    const alone = all.find((tracked) => tracked.alone === 'wanted')
    if (alone !== undefined) return requestFor([alone], all, 'position')
    const conflicting = all.find((tracked) => tracked.inConflict)
    if (conflicting !== undefined) return requestFor([conflicting], all, 'live')
    const fresh = all.filter(({ hasResumePoint: placed }) => !placed)
    if (fresh.length > 0) {
      const { last } = fresh[0]!.request(0)
      return requestFor(fresh.filter(startsLike(fresh[0]!)), all, last === undefined ? 'position' : 'live')
    }
    const unjudged = this.#unjudged(all)
    if (unjudged.length === 0) return requestFor(all, all, 'change')
    return requestFor(agreeing([...new Set([...unjudged, ...all])]), all, 'live')
  }

  /** They have been told everything that the gateway had to say of their positions. */
  live(members: readonly TrackedSubscription[]): void {
    this.#turn++
    for (const tracked of members) tracked.judged = this.#turn
  }

  /**
   * Their gateway reads these logs. True where that is not the one of which somebody was told everything: nobody hears of a log in which
   * others stand already.
   */
  reads(members: readonly TrackedSubscription[], logs: readonly Log[]): boolean {
    const others = members.filter((each) => logs.some((log) => !isSameLog(each.logs.get(log.nameHash) ?? log, log)))
    for (const tracked of others) tracked.judged = -1
    for (const tracked of members) for (const log of logs) tracked.logs.set(log.nameHash, log)
    return others.length > 0
  }

  /** Those who disagree with others, and have not been told by the gateway since: once for each disagreement. */
  #unjudged(all: readonly TrackedSubscription[]): TrackedSubscription[] {
    const present = disagreements(all)
    this.#since = new Map([...present.keys()].map((each) => [each, this.#since.get(each) ?? this.#turn]))
    return [...present].flatMap(([each, members]) => members.filter(({ judged }) => judged <= this.#since.get(each)!))
  }
}

/** What some know of a stream or partition and others do not, in words that are the same as long as it is, with who knows any of it. */
function disagreements(all: readonly TrackedSubscription[]): Map<string, TrackedSubscription[]> {
  const byWhat = new Map<string, [knowledge: string, TrackedSubscription][]>()
  for (const tracked of all) {
    for (const [what, knowledge] of knowledgeOf(tracked)) append(byWhat, what, [knowledge, tracked])
  }
  const found = [...byWhat].filter(([, known]) => known.some(([knowledge]) => knowledge !== known[0]![0]))
  const contradictory = [...histories(all)].filter(([, known]) => isContradictory(known.map(([position]) => position)))
  const said: [string, [unknown, TrackedSubscription][]][] = [
    ...found,
    ...contradictory.map(([key, known]): [string, [unknown, TrackedSubscription][]] => [
      key,
      known.map(([{ generation }, tracked]) => [generation, tracked]),
    ]),
  ]
  return new Map(
    said.map(([what, known]) => {
      const who = known.map(([knowledge, { subject }]) => `${subject} ${knowledge}`)
      return [`${what}: ${who.sort().join()}`, known.map(([, tracked]) => tracked)]
    }),
  )
}

/** By `keyOf`: who stands there, where the generation is known. */
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

/** Of any two of them; neighbours by offset tell it. */
function isContradictory(positions: readonly Position[]): boolean {
  const sorted = positions.toSorted((a, b) => a.offset - b.offset)
  return sorted.some((position, i) => i > 0 && contradict(sorted[i - 1]!, position))
}

/**
 * By stream, which incarnations it knows, and up to which partition, where it does not say of how many; by partition, in which of them it
 * stands there: of two positions in one partition a gateway takes the one of the log that it reads, and says nothing of the other.
 */
function knowledgeOf({ resumePoint: place }: TrackedSubscription): Map<string, string> {
  const incarnations = new Map<string, Set<number>>()
  const last = new Map<string, number>()
  for (const position of place.positions) {
    const stream = `${position.nameHash}`
    for (const what of [stream, partitionKeyOf(position)]) {
      incarnations.set(what, (incarnations.get(what) ?? new Set()).add(position.incarnationHash))
    }
    const isSaid = place.counts.some((each) => isSameLog(each, position))
    if (!isSaid) last.set(stream, Math.max(last.get(stream) ?? -1, position.partition))
  }
  return new Map([...incarnations].map(([what, known]) => [what, `${[...known].sort()} ${last.get(what) ?? -1}`]))
}

function requestFor(
  members: readonly TrackedSubscription[],
  all: readonly TrackedSubscription[],
  until: SharedRequest['until'],
): SharedRequest {
  const isPlaced = members.every(({ hasResumePoint: placed }) => placed)
  const lowest = isPlaced ? lowestToken(members.flatMap(({ resumePoint: place }) => place.token ?? [])) : undefined
  const { after, last }: Omit<SubscribeRequest, 'subject' | 'ref'> =
    lowest === undefined ? members[0]!.request(0) : { after: [lowest] }
  // What one may leave out, another wants.
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

/** The first one, and those who know the same of each stream and partition as those before them, or nothing. */
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
