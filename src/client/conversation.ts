import type { Timing } from '../base/clock.ts'
import { type Delivery, type ServerFrame, subscribeOptions } from '../wire/frames.ts'
import { decodeSaid } from '../wire/partition-counts.ts'
import { decodeToken, type Log } from '../wire/token.ts'
import type { Candidate } from './candidates.ts'
import type { Connection, Refusal, SubscribeRequest } from './connection.ts'
import { positionsOf } from './gap.ts'
import { failure, refusal } from './refusal.ts'
import { SeparateService } from './separate-service.ts'
import type { Service } from './service.ts'
import type { SharedRequest, SharedRequestPlanner } from './shared-request.ts'
import { SharedService } from './shared-service.ts'
import type { TrackedSubscription } from './tracked-subscription.ts'

/** What a connection means to its link. */
export interface ConversationOwner {
  step(event: 'heard' | 'outdated' | 'torn'): void
  /** Somebody may be live, or not any more. */
  changed(): void
  /** All have been told together what the gateway had to say of their positions. */
  agreed(): void
  /** Somebody's subscriber can't keep up. */
  full(tracked: TrackedSubscription): void
  /** About one subscription; the connection goes on for the others. */
  refused(tracked: TrackedSubscription, refused: Refusal): void
  lost(refused: Refusal): void
}

type FrameTable = {
  readonly [K in ServerFrame['kind']]: (frame: Extract<ServerFrame, { readonly kind: K }>) => void
}

/** One connection, from its opening until it is left: whom it serves, and what each kind of frame does. */
export class Conversation {
  readonly #host: ConversationOwner
  /** Whoever wants to be served, at any time. */
  readonly #all: ReadonlySet<TrackedSubscription>
  readonly #sharing: SharedRequestPlanner
  /** Where all share one position: whom it was opened for; else each has its own. */
  readonly #share: SharedRequest | undefined
  readonly #byRef = new Map<number, Service>()
  #lastRef = 0
  readonly #connection: Connection
  /** Whose subscriber can't keep up, and whose first position comes behind the events of this answer. */
  readonly #fullAtPosition = new Set<TrackedSubscription>()
  readonly #frames: FrameTable
  #over = false
  /** It has brought something: more than where it begins. A large event may never come over it. */
  isOfUse = false

  constructor(
    { url, transport }: Candidate,
    {
      members,
      sharing,
      clock,
    }: { members: ReadonlySet<TrackedSubscription>; sharing: SharedRequestPlanner; clock: Timing },
    host: ConversationOwner,
  ) {
    this.#host = host
    this.#all = members
    this.#sharing = sharing
    this.#share = transport.separate ? undefined : sharing.next([...members])
    this.#frames = this.#table()
    const wishes = (this.#share?.members ?? [...members]).map((tracked) => this.#serve(tracked))
    const handlers = {
      frame: (frame: ServerFrame) => this.#safely(() => this.#frame(frame)),
      position: (token: string) => this.#safely(() => this.#position(token)),
      closed: (refused: Refusal) => this.#safely(() => host.lost(refused)),
    }
    this.#connection = transport.open(url, wishes, handlers, clock)
  }

  get members(): TrackedSubscription[] {
    return [...this.#byRef.values()].map(({ followed: tracked }) => tracked)
  }

  /** Whom its request named, also those who have left since. */
  get asked(): readonly TrackedSubscription[] {
    return this.#share?.members ?? this.members
  }

  /** Only where each has its own position. */
  add(tracked: TrackedSubscription): void {
    this.#connection.subscribe?.(this.#serve(tracked))
  }

  /** It is not to be served any more. */
  remove(tracked: TrackedSubscription): void {
    const { ref } = tracked
    this.#forget(tracked)
    this.#connection.unsubscribe?.(ref)
    if (this.#share !== undefined && this.#all.size > 0) this.#host.step('outdated')
  }

  #forget(tracked: TrackedSubscription): void {
    this.#fullAtPosition.delete(tracked)
    this.#byRef.delete(tracked.ref)
    tracked.disconnected()
  }

  /** Its subscriber can keep up again. */
  hasRoom(tracked: TrackedSubscription): void {
    this.#fullAtPosition.delete(tracked)
  }

  /** Asks for a sign of life, where that can be done. */
  check(): void {
    this.#connection.check?.()
  }

  /** Leaves without a word. */
  close(): void {
    this.#over = true
    this.#connection.close()
    for (const tracked of this.members) this.#forget(tracked)
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
    this.isOfUse ||= frame.kind !== 'welcome' && frame.kind !== 'subscribed'
    // Without a ref it is about the connection, which ends with it, or a fault of ours that ends nothing.
    if (frame.kind === 'error' && !frame.ref) return
    this.#host.step('heard')
    const take: (frame: never) => void = this.#frames[frame.kind]
    take(frame as never)
  }

  #table(): FrameTable {
    const host = this.#host
    const tracked = (ref: number) => this.#byRef.get(ref)?.followed
    return {
      welcome() {},
      unsubscribed() {},
      subscribed: ({ ref, after }) => {
        tracked(ref)?.subscribed(after)
        this.#parkFull()
      },
      delivery: (frame) => {
        const positions = frame.stream === undefined ? decodeToken(frame.after) : []
        this.#reads(positions)
        for (const service of this.#whom(frame)) {
          if (!service.delivery(frame, positions[0])) this.#full(service.followed)
        }
      },
      gap: (frame) => {
        this.#reads(positionsOf(frame))
        for (const service of this.#whom(frame)) if (!service.gap(frame)) this.#full(service.followed)
        host.changed()
      },
      live: ({ ref }) => {
        for (const service of [...this.#whom({ refs: ref === 0 ? [] : [ref] })]) {
          const became = service.becameLive()
          if (became === 'full') this.#full(service.followed)
          else if (became === 'again') {
            this.remove(service.followed)
            this.add(service.followed)
          }
        }
        const { members } = this
        this.#sharing.live(members)
        if (members.length === this.#all.size) host.agreed()
        if (this.#share?.until === 'live' && !this.#over) host.step('outdated')
        host.changed()
      },
      pong: ({ after }) => {
        if (after !== '') this.#stand(after)
      },
      error: (frame) => {
        const one = tracked(frame.ref!)
        if (one === undefined) return
        this.#forget(one)
        host.refused(one, refusal(frame))
      },
    }
  }

  #position(token: string): void {
    this.isOfUse = true
    this.#host.step('heard')
    const isTorn = this.#stand(token)
    this.#parkFull()
    const share = this.#share
    if (share === undefined || this.#over) return
    if (share.until === 'position' && share.members.every(({ hasResumePoint: placed }) => placed))
      this.#host.step('outdated')
    else if (isTorn) this.#leave(share)
  }

  /** A poll's events come before the position that says which logs its gateway reads. Once it is left it serves nobody. */
  #reads(logs: readonly Log[]): void {
    const share = this.#share
    if (share !== undefined && this.#sharing.reads(this.members, logs)) this.#leave(share)
  }

  /** What it still brings would carry them along, where others are to be asked for now. */
  #leave({ members }: SharedRequest): void {
    const next = this.#sharing.next([...this.#all]).members
    if (members.some((each) => !next.includes(each))) this.#host.step('torn')
  }

  #stand(token: string): boolean {
    const said = decodeSaid(token)
    let isTorn = this.#sharing.reads(
      this.members,
      said.counts.filter(({ isRead }) => isRead),
    )
    for (const service of this.#byRef.values()) isTorn = service.stands(said) || isTorn
    return isTorn
  }

  /** What names no ref is for all. */
  #whom({ refs = [] }: Pick<Delivery, 'refs'>): Iterable<Service> {
    return refs.length === 0 ? this.#byRef.values() : refs.flatMap((ref) => this.#byRef.get(ref) ?? [])
  }

  /** Where all share one position, they share what is asked for as well. */
  #serve(tracked: TrackedSubscription): SubscribeRequest {
    const ref = ++this.#lastRef
    const share = this.#share
    const service =
      share === undefined
        ? new SeparateService(tracked)
        : new SharedService(tracked, share.members.length, () => this.#leave(share))
    this.#byRef.set(ref, service)
    const wish = tracked.connected(ref)
    if (share === undefined) return wish
    const { after, last, policy } = share
    return { ref, subject: wish.subject, after, ...subscribeOptions(last, policy) }
  }

  /** Before its position is known, which may come behind events, it would start anew, and perhaps beyond what it has not had. */
  #full(tracked: TrackedSubscription): void {
    this.#fullAtPosition.add(tracked)
    this.#parkFull()
  }

  #parkFull(): void {
    for (const tracked of this.#fullAtPosition) {
      if (!tracked.hasResumePoint) continue
      this.#fullAtPosition.delete(tracked)
      this.#host.full(tracked)
    }
  }
}
