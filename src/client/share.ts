import { type SubscribeOptions, subscribeOptions } from '../wire/frames.ts'
import { isSameLog, keyOf, type Log, type Position, partitionKeyOf } from '../wire/token.ts'
import type { Wish } from './connection.ts'
import type { Followed } from './followed.ts'
import { contradict, lowestToken } from './place.ts'

/** What one request asks for where all subscriptions share one position. */
export interface Share extends SubscribeOptions {
  readonly members: readonly Followed[]
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
export class Sharing {
  /** Times that a connection has become live. */
  #turn = 0
  /** The turn in which each present disagreement was seen first. */
  #since = new Map<string, number>()

  next(all: readonly Followed[]): Share {
    const alone = all.find((followed) => followed.alone === 'wanted')
    if (alone !== undefined) return share([alone], all, 'position')
    const torn = all.find((followed) => followed.torn)
    if (torn !== undefined) return share([torn], all, 'live')
    const fresh = all.filter(({ placed }) => !placed)
    if (fresh.length > 0) {
      const { last } = fresh[0]!.wish(0)
      return share(fresh.filter(startsLike(fresh[0]!)), all, last === undefined ? 'position' : 'live')
    }
    const unjudged = this.#unjudged(all)
    if (unjudged.length === 0) return share(all, all, 'change')
    return share(agreeing([...new Set([...unjudged, ...all])]), all, 'live')
  }

  /** They have been told everything that the gateway had to say of their positions. */
  live(members: readonly Followed[]): void {
    this.#turn++
    for (const followed of members) followed.judged = this.#turn
  }

  /**
   * Their gateway reads these logs. True where that is not the one of which somebody was told everything: nobody hears of a log in which
   * others stand already.
   */
  reads(members: readonly Followed[], logs: readonly Log[]): boolean {
    const others = members.filter((each) => logs.some((log) => !isSameLog(each.logs.get(log.nameHash) ?? log, log)))
    for (const followed of others) followed.judged = -1
    for (const followed of members) for (const log of logs) followed.logs.set(log.nameHash, log)
    return others.length > 0
  }

  /** Those who disagree with others, and have not been told by the gateway since: once for each disagreement. */
  #unjudged(all: readonly Followed[]): Followed[] {
    const present = disagreements(all)
    this.#since = new Map([...present.keys()].map((each) => [each, this.#since.get(each) ?? this.#turn]))
    return [...present].flatMap(([each, members]) => members.filter(({ judged }) => judged <= this.#since.get(each)!))
  }
}

/** What some know of a stream or partition and others do not, in words that are the same as long as it is, with who knows any of it. */
function disagreements(all: readonly Followed[]): Map<string, Followed[]> {
  const byWhat = new Map<string, [knowledge: string, Followed][]>()
  for (const followed of all) {
    for (const [what, knowledge] of knowledgeOf(followed)) append(byWhat, what, [knowledge, followed])
  }
  const found = [...byWhat].filter(([, known]) => known.some(([knowledge]) => knowledge !== known[0]![0]))
  const contradictory = [...histories(all)].filter(([, known]) => isContradictory(known.map(([position]) => position)))
  const said: [string, [unknown, Followed][]][] = [
    ...found,
    ...contradictory.map(([key, known]): [string, [unknown, Followed][]] => [
      key,
      known.map(([{ generation }, followed]) => [generation, followed]),
    ]),
  ]
  return new Map(
    said.map(([what, known]) => {
      const who = known.map(([knowledge, { subject }]) => `${subject} ${knowledge}`)
      return [`${what}: ${who.sort().join()}`, known.map(([, followed]) => followed)]
    }),
  )
}

/** By `keyOf`: who stands there, where the generation is known. */
function histories(all: readonly Followed[]): Map<string, [Position, Followed][]> {
  const found = new Map<string, [Position, Followed][]>()
  for (const followed of all) {
    for (const position of followed.place.positions) {
      if (position.generation < 0) continue
      append(found, keyOf(position), [position, followed])
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
function knowledgeOf({ place }: Followed): Map<string, string> {
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

function share(members: readonly Followed[], all: readonly Followed[], until: Share['until']): Share {
  const isPlaced = members.every(({ placed }) => placed)
  const lowest = isPlaced ? lowestToken(members.flatMap(({ place }) => place.token ?? [])) : undefined
  const { after, last }: Omit<Wish, 'subject' | 'ref'> =
    lowest === undefined ? members[0]!.wish(0) : { after: [lowest] }
  // What one may leave out, another wants.
  const policy = members.every((followed) => followed.policy === 'latest') ? 'latest' : undefined
  return {
    members,
    after,
    ...subscribeOptions(last, policy),
    until: members.length === all.length ? 'change' : until,
  }
}

function startsLike(first: Followed): (followed: Followed) => boolean {
  const start = (followed: Followed) => JSON.stringify([followed.wish(0).after, followed.wish(0).last])
  const own = start(first)
  return (followed) => start(followed) === own
}

/** The first one, and those who know the same of each stream and partition as those before them, or nothing. */
function agreeing(all: readonly Followed[]): Followed[] {
  const known = new Map<string, string>()
  const accepted = new Map<string, Position[]>()
  return all.filter((followed) => {
    const own = [...knowledgeOf(followed)]
    if (own.some(([what, knowledge]) => (known.get(what) ?? knowledge) !== knowledge)) return false
    const { positions } = followed.place
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
