import type { Clock } from '../base/clock.ts'
import type { ServerFrame } from '../wire/frames.ts'
import type { Candidate } from './candidates.ts'
import type { Connection, Refusal } from './connection.ts'
import type { Followed } from './followed.ts'
import { failure, refusal } from './refusal.ts'
import { Served } from './served.ts'
import type { Share } from './share.ts'

/** What a connection means to its link. */
export interface ConversationHost {
  /** The gateway answers. */
  heard(): void
  /** It serves somebody: what failed before is over. */
  serves(): void
  /** Somebody may be live, or not any more. */
  changed(): void
  /** These were told all that the gateway had to say of their positions. */
  judged(members: readonly Followed[]): void
  /** Another request, for others or for more, is due. */
  outdated(): void
  /** Somebody stands in another history than the position that all share. */
  torn(share: Share): void
  /** Somebody's subscriber can't keep up. */
  full(followed: Followed): void
  /** Somebody has to be asked for anew. */
  again(followed: Followed): void
  /** About one subscription; the connection goes on for the others. */
  refused(followed: Followed, refused: Refusal): void
  lost(refused: Refusal | undefined): void
}

type FrameTable = {
  readonly [K in ServerFrame['kind']]: (frame: Extract<ServerFrame, { readonly kind: K }>) => void
}

/** One connection, from its opening until it is left: whom it serves, and what each kind of frame does. */
export class Conversation {
  readonly #host: ConversationHost
  readonly #served: Served
  readonly #connection: Connection
  /** Whose subscriber can't keep up, and whose first position comes behind the events of this answer. */
  readonly #fullAtPosition = new Set<Followed>()
  readonly #frames: FrameTable
  #over = false

  /** `share`: undefined where each has its own position. */
  constructor(
    { url, transport }: Candidate,
    { members, share, clock }: { members: readonly Followed[]; share: Share | undefined; clock: Clock },
    host: ConversationHost,
  ) {
    this.#host = host
    this.#served = new Served(share, { full: (followed) => this.#full(followed), again: host.again })
    this.#frames = this.#table()
    const wishes = (share?.members ?? members).map((followed) => this.#served.add(followed))
    const handlers = {
      frame: (frame: ServerFrame) => this.#safely(() => this.#frame(frame)),
      position: (token: string) => this.#safely(() => this.#position(token)),
      closed: (refused: Refusal | undefined) => this.#safely(() => host.lost(refused)),
    }
    this.#connection = transport.open(url, wishes, handlers, clock)
  }

  get separate(): boolean {
    return this.#served.separate
  }

  get members(): Followed[] {
    return this.#served.values()
  }

  /** Only where each has its own position. */
  add(followed: Followed): void {
    this.#connection.subscribe?.(this.#served.add(followed))
  }

  /** It is not to be served any more. */
  remove(followed: Followed): void {
    const { ref } = followed
    this.forget(followed)
    this.#connection.unsubscribe?.(ref)
  }

  /** The gateway does not serve it. */
  forget(followed: Followed): void {
    this.#fullAtPosition.delete(followed)
    this.#served.delete(followed)
  }

  /** False where the connection can't be asked for a sign of life. */
  check(): boolean {
    this.#connection.check?.()
    return this.#connection.check !== undefined
  }

  /** Leaves without a word. */
  close(): void {
    this.#over = true
    this.#connection.close()
    this.#served.clear()
  }

  /** What can't be read ends the connection. What it says once it was left concerns nobody. */
  #safely(run: () => void): void {
    if (this.#over) return
    try {
      run()
    } catch (error) {
      if (!this.#over) this.#host.lost(failure(error))
    }
  }

  #frame(frame: ServerFrame): void {
    // Without a ref it is about the connection, which ends with it, or a fault of ours that ends nothing.
    if (frame.kind === 'error' && !frame.ref) return
    this.#host.heard()
    const take: (frame: never) => void = this.#frames[frame.kind]
    take(frame as never)
  }

  #table(): FrameTable {
    const [host, served] = [this.#host, this.#served]
    return {
      welcome() {},
      unsubscribed() {},
      subscribed: ({ ref, after }) => {
        host.serves()
        served.of(ref)?.subscribed(after)
        this.#parkFull()
      },
      delivery: (frame) => served.delivery(frame),
      gap(frame) {
        served.gap(frame)
        host.changed()
      },
      live: ({ ref }) => {
        served.live(ref)
        host.judged(served.values())
        if (served.share?.until === 'live') this.#outdated()
        host.changed()
      },
      pong({ after }) {
        if (after !== '') served.renewed(after)
      },
      error({ ref, code, message, retryAfterMs }) {
        const followed = served.of(ref!)
        if (followed !== undefined) host.refused(followed, refusal(code, message, retryAfterMs))
      },
    }
  }

  #position(token: string): void {
    this.#host.heard()
    this.#host.serves()
    const isTorn = this.#served.position(token)
    this.#parkFull()
    const { share } = this.#served
    if (share?.until === 'position' && share.members.every(({ placed }) => placed)) this.#outdated()
    else if (isTorn && share !== undefined && !this.#over) this.#host.torn(share)
  }

  /** Unless somebody who was told something has left the connection meanwhile. */
  #outdated(): void {
    if (!this.#over) this.#host.outdated()
  }

  /** Before its position is known, which may come behind events, it would start anew, and perhaps beyond what it has not had. */
  #full(followed: Followed): void {
    this.#fullAtPosition.add(followed)
    this.#parkFull()
  }

  #parkFull(): void {
    for (const followed of this.#fullAtPosition) {
      if (!followed.placed) continue
      this.#fullAtPosition.delete(followed)
      this.#host.full(followed)
    }
  }
}
