import type { Followed } from './followed.ts'
import { lowestToken } from './place.ts'

/** What one request asks for where all subscriptions share one position. */
export interface Share {
  readonly members: readonly Followed[]
  readonly after: readonly string[]
  /** When the next request, for others or for more, takes its place; `change` = not before somebody comes or goes. */
  readonly until: 'position' | 'live' | 'change'
}

/**
 * Who is asked for together, where there is one position for all. It is the lowest of each partition: what some have had already comes
 * again, and is known by its offset. Three things have to come first:
 * - what starts at `latest`, `earliest` or a time is asked for by itself, until its position is known;
 * - after a refusal each is asked for by itself, to find out whom it is about;
 * - of two that know different incarnations of a stream, only the gateway can tell which one is gone: each is served by itself until it
 *   is live, and so has been told. What they still disagree in is a position that one of them only carries.
 */
export class Sharing {
  /** Times that a connection has become live. */
  #turn = 0
  readonly #judged = new WeakMap<Followed, number>()
  /** The turn in which the present disagreement was seen first. */
  #since: number | undefined

  next(all: readonly Followed[]): Share {
    const alone = all.find((followed) => followed.alone === 'wanted')
    if (alone !== undefined) return share([alone], all, 'position')
    const fresh = all.filter(({ place }) => place.size === 0)
    if (fresh.length > 0) return share(fresh.filter(startsLike(fresh[0]!)), all, 'position')
    if (agreeing(all).length === all.length) {
      this.#since = undefined
      return share(all, all, 'change')
    }
    this.#since ??= this.#turn
    const since = this.#since
    const unjudged = all.filter((followed) => (this.#judged.get(followed) ?? -1) <= since)
    return unjudged.length === 0 ? share(all, all, 'change') : share(agreeing(unjudged), all, 'live')
  }

  /** They have been told everything that the gateway had to say of their positions. */
  live(members: readonly Followed[]): void {
    this.#turn++
    for (const followed of members) this.#judged.set(followed, this.#turn)
  }
}

function share(members: readonly Followed[], all: readonly Followed[], until: Share['until']): Share {
  const tokens = members.map(({ place }) => place.token).filter((token) => token !== undefined)
  const lowest = tokens.length === members.length ? lowestToken(tokens) : undefined
  return {
    members,
    after: lowest === undefined ? members[0]!.wish(0).after : [lowest],
    until: members.length === all.length ? 'change' : until,
  }
}

function startsLike(first: Followed): (followed: Followed) => boolean {
  const after = first.wish(0).after.join()
  return (followed) => followed.wish(0).after.join() === after
}

/** The first one, and those who know no other incarnation of any partition than those before them. */
function agreeing(all: readonly Followed[]): Followed[] {
  const known = new Map<string, number>()
  return all.filter(({ place }) => {
    const named = place.positions.map(
      (each) => [`${each.streamHash >>> 24}/${each.partition}`, each.streamHash] as const,
    )
    if (named.some(([key, hash]) => (known.get(key) ?? hash) !== hash)) return false
    for (const [key, hash] of named) known.set(key, hash)
    return true
  })
}
