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

/** Callbacks from a connection to its link. */
export interface ConversationOwner {
  step(event: 'heard' | 'outdated' | 'torn'): void
  /** A subscription may have become live, or stopped being live. */
  changed(): void
  /**
   * On one connection, all subscriptions have received what the gateway reports about their
   * positions.
   */
  agreed(): void
  /** A subscription's consumer can't keep up. */
  full(tracked: TrackedSubscription): void
  /** One subscription is refused. The connection continues for the others. */
  refused(tracked: TrackedSubscription, refused: Refusal): void
  lost(refused: Refusal): void
}

type FrameTable = {
  readonly [K in ServerFrame['kind']]: (frame: Extract<ServerFrame, { readonly kind: K }>) => void
}

/**
 * One connection from its opening to its end: which subscriptions it serves, and how it handles
 * frames.
 */
export class Conversation {
  readonly #owner: ConversationOwner
  /** All subscriptions of the link, also those that this connection does not serve. */
  readonly #all: ReadonlySet<TrackedSubscription>
  readonly #sharing: SharedRequestPlanner
  /** The request, if all subscriptions share one position; undefined if each has its own. */
  readonly #share: SharedRequest | undefined
  readonly #byRef = new Map<number, Service>()
  #lastRef = 0
  readonly #connection: Connection
  /**
   * Subscriptions whose consumer can't keep up and which have no position yet: a poll sends the
   * position after the events of its answer.
   */
  readonly #fullAtPosition = new Set<TrackedSubscription>()
  readonly #frames: FrameTable
  #over = false
  /**
   * It has delivered more than its start position. Otherwise it counts as fruitless: a large event
   * may never get through it.
   */
  isOfUse = false

  constructor(
    { url, transport }: Candidate,
    {
      members,
      sharing,
      clock,
    }: { members: ReadonlySet<TrackedSubscription>; sharing: SharedRequestPlanner; clock: Timing },
    owner: ConversationOwner,
  ) {
    this.#owner = owner
    this.#all = members
    this.#sharing = sharing
    this.#share = transport.separate ? undefined : sharing.next([...members])
    this.#frames = this.#table()
    const requests = (this.#share?.members ?? [...members]).map((tracked) => this.#serve(tracked))
    const handlers = {
      frame: (frame: ServerFrame) => this.#safely(() => this.#frame(frame)),
      position: (token: string) => this.#safely(() => this.#position(token)),
      closed: (refused: Refusal) => this.#safely(() => owner.lost(refused)),
    }
    this.#connection = transport.open(url, requests, handlers, clock)
  }

  get members(): TrackedSubscription[] {
    return [...this.#byRef.values()].map(({ followed: tracked }) => tracked)
  }

  /** The subscriptions that its request named, also those that have left since. */
  get asked(): readonly TrackedSubscription[] {
    return this.#share?.members ?? this.members
  }

  /** Adds a subscription. Only where each has its own position. */
  add(tracked: TrackedSubscription): void {
    this.#connection.subscribe?.(this.#serve(tracked))
  }

  /** Stops serving a subscription. */
  remove(tracked: TrackedSubscription): void {
    const { ref } = tracked
    this.#forget(tracked)
    this.#connection.unsubscribe?.(ref)
    if (this.#share !== undefined && this.#all.size > 0) this.#owner.step('outdated')
  }

  #forget(tracked: TrackedSubscription): void {
    this.#fullAtPosition.delete(tracked)
    this.#byRef.delete(tracked.ref)
    tracked.disconnected()
  }

  /** The subscription's consumer can keep up again. */
  hasRoom(tracked: TrackedSubscription): void {
    this.#fullAtPosition.delete(tracked)
  }

  /** Requests a sign of life, if the transport supports that. */
  check(): void {
    this.#connection.check?.()
  }

  /** Closes the connection without a callback. */
  close(): void {
    this.#over = true
    this.#connection.close()
    for (const tracked of this.members) this.#forget(tracked)
  }

  /** Runs a callback unless the conversation is closed. Unreadable input ends the connection. */
  #safely(run: () => void): void {
    if (this.#over) return
    try {
      run()
    } catch (error) {
      if (!this.#over) this.#owner.lost(failure(error))
    }
  }

  #frame(frame: ServerFrame): void {
    this.isOfUse ||= frame.kind !== 'welcome' && frame.kind !== 'subscribed'
    // An error without a ref is reported with the end of the connection. If it answers a faulty
    // frame of this client instead, it ends nothing.
    if (frame.kind === 'error' && !frame.ref) return
    this.#owner.step('heard')
    const take: (frame: never) => void = this.#frames[frame.kind]
    take(frame as never)
  }

  #table(): FrameTable {
    const owner = this.#owner
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
        for (const service of this.#servicesFor(frame)) {
          if (!service.delivery(frame, positions[0])) this.#full(service.followed)
        }
      },
      gap: (frame) => {
        this.#reads(positionsOf(frame))
        for (const service of this.#servicesFor(frame)) if (!service.gap(frame)) this.#full(service.followed)
        owner.changed()
      },
      live: ({ ref }) => {
        for (const service of [...this.#servicesFor({ refs: ref === 0 ? [] : [ref] })]) {
          const became = service.becameLive()
          if (became === 'full') this.#full(service.followed)
          else if (became === 'again') {
            this.remove(service.followed)
            this.add(service.followed)
          }
        }
        const { members } = this
        this.#sharing.live(members)
        if (members.length === this.#all.size) owner.agreed()
        if (this.#share?.until === 'live' && !this.#over) owner.step('outdated')
        owner.changed()
      },
      pong: ({ after }) => {
        if (after !== '') this.#applyPositions(after)
      },
      error: (frame) => {
        const one = tracked(frame.ref!)
        if (one === undefined) return
        this.#forget(one)
        owner.refused(one, refusal(frame))
      },
    }
  }

  #position(token: string): void {
    this.isOfUse = true
    this.#owner.step('heard')
    const isTorn = this.#applyPositions(token)
    this.#parkFull()
    const share = this.#share
    if (share === undefined || this.#over) return
    if (share.until === 'position' && share.members.every(({ hasResumePoint }) => hasResumePoint))
      this.#owner.step('outdated')
    else if (isTorn) this.#leave(share)
  }

  /**
   * Notes which logs the gateway reads. A poll's events come before the position that names these
   * logs. The shared request ends if it no longer serves all of its members.
   */
  #reads(logs: readonly Log[]): void {
    const share = this.#share
    if (share !== undefined && this.#sharing.reads(this.members, logs)) this.#leave(share)
  }

  /**
   * Leaves a shared request at once if the next one has other members: what it still delivers
   * would move all of its members.
   */
  #leave({ members }: SharedRequest): void {
    const next = this.#sharing.next([...this.#all]).members
    if (members.some((each) => !next.includes(each))) this.#owner.step('torn')
  }

  #applyPositions(token: string): boolean {
    const decoded = decodeSaid(token)
    let isTorn = this.#sharing.reads(
      this.members,
      decoded.counts.filter(({ isRead }) => isRead),
    )
    for (const service of this.#byRef.values()) isTorn = service.stands(decoded) || isTorn
    return isTorn
  }

  /** Returns the services of the refs. A frame without refs is for all. */
  #servicesFor({ refs = [] }: Pick<Delivery, 'refs'>): Iterable<Service> {
    return refs.length === 0 ? this.#byRef.values() : refs.flatMap((ref) => this.#byRef.get(ref) ?? [])
  }

  /**
   * Registers a service and returns its request. Members of a shared request share its options.
   */
  #serve(tracked: TrackedSubscription): SubscribeRequest {
    const ref = ++this.#lastRef
    const share = this.#share
    const service =
      share === undefined
        ? new SeparateService(tracked)
        : new SharedService(tracked, share.members.length, () => this.#leave(share))
    this.#byRef.set(ref, service)
    const request = tracked.connected(ref)
    if (share === undefined) return request
    const { after, last, policy } = share
    return { ref, subject: request.subject, after, ...subscribeOptions(last, policy) }
  }

  /**
   * Parks a subscription once its position is known, which may arrive after events. Without a
   * position it would start again, perhaps after events that it has not received.
   */
  #full(tracked: TrackedSubscription): void {
    this.#fullAtPosition.add(tracked)
    this.#parkFull()
  }

  #parkFull(): void {
    for (const tracked of this.#fullAtPosition) {
      if (!tracked.hasResumePoint) continue
      this.#fullAtPosition.delete(tracked)
      this.#owner.full(tracked)
    }
  }
}
