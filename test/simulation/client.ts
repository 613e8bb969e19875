import type { Random } from '../../src/base/random.ts'
import { Client } from '../../src/client/client.ts'
import type { Handlers, Open, Transport } from '../../src/client/connection.ts'
import type { Environment, Happening, TabMeeting } from '../../src/client/environment.ts'
import type { Group } from '../../src/client/group.ts'
import type { InboxOptions } from '../../src/client/inbox.ts'
import { protoCodec } from '../../src/client/proto-codec.ts'
import type { Received } from '../../src/client/received.ts'
import type { Reason } from '../../src/client/state.ts'
import type { SubscribeHandlers, Subscription } from '../../src/client/subscription.ts'
import { transportsOf } from '../../src/client/transports.ts'
import { WorkerLeader } from '../../src/client/worker-leader.ts'
import { type Policy, subscribeOptions } from '../../src/wire/frames.ts'
import { decodeToken } from '../../src/wire/token.ts'
import { OverheardStreams, Witnesses } from './accounts.ts'
import type { SimBrowser, Tab } from './browser.ts'
import { isToken, shownToken } from './shown.ts'
import { SimStore, type StorePlan, type StoreWatcher } from './store.ts'
import type { SimStream } from './streams.ts'
import { Verdict } from './verdict.ts'
import type { Process } from './virtual-time.ts'
import type { GatewayKnowledge } from './witness.ts'

const [websocket, sse, poll] = transportsOf({})

/** Ways to a gateway, as a plan names them: each once a client at most. */
export const ways: Readonly<Record<WayName, Transport>> = {
  websocket: websocket!,
  'websocket-proto': transportsOf({ codec: protoCodec })[0]!,
  sse: sse!,
  poll: poll!,
}

export type WayName = 'websocket' | 'websocket-proto' | 'sse' | 'poll'
export const wayNames = Object.keys(ways) as WayName[]

export interface WishPlan {
  readonly subject: string
  /** Tokens, `earliest`, `latest`, `@time`; none = latest. */
  readonly after: readonly string[]
  /** Where `after` has no token: the last events first. */
  readonly last?: number | undefined
  readonly policy?: Policy
}

export interface ClientPlan {
  readonly wishes: readonly WishPlan[]
  /** In order of preference. */
  readonly ways: readonly WayName[]
  readonly urls: readonly string[]
  readonly consumer: 'handlers' | 'iterator'
  readonly inbox: InboxOptions
  /** Clients of the same number are tabs of one browser. No two of them have a subject in common. */
  readonly browser?: number | undefined
  /** It is the worker that has the connection of its browser's tabs, and follows nothing; or it is one of these tabs. */
  readonly worker?: 'itself' | 'of its browser'
  /** Pairs that take each other's place, some times when a gateway has answered and said nothing else yet. */
  readonly joining?: readonly (readonly WishPlan[])[]
  /** Where its positions are kept; none = it goes on from where it stood, whatever became of the program. */
  readonly store?: StorePlan
}

export interface ClientSurroundings {
  readonly name: string
  readonly process: Process
  readonly random: Random
  readonly streams: readonly SimStream[]
  readonly verdict: Verdict
  readonly browser: SimBrowser | undefined
  /** By subject: whom a connection of this client, or of another tab of its browser, may serve. */
  readonly followed: Map<string, TrackedSubscription>
}

/** How long a slow handler takes, ms, at most. */
const slowMs = 400
/** Of the times that a gateway answers, the share at which others join; see `ClientPlan.joining`. */
const joiningShare = 0.25

/** One subscription, with who watches it. */
export interface TrackedSubscription {
  readonly wish: WishPlan
  readonly witness: Witnesses
  subscription: Subscription | undefined
}

/** One client program: the real SDK, with witnesses between it and its connections, and between it and its handlers. */
export class SimClient {
  readonly name: string
  readonly process: Process
  readonly plan: ClientPlan
  /** Nothing happens any more that could end a connection of it. */
  isUndisturbed = false
  /** Share of items whose handler takes a while. */
  slow = 0
  readonly #surroundings: ClientSurroundings
  readonly #followed: TrackedSubscription[] = []
  /** By the name that each has in the URL it connects to. */
  readonly #overheard = new Map<string, OverheardStreams>()
  #opened = 0
  /** Of `joining`, the next pair. */
  #nextPair = 0
  #environment = new SimEnvironment(undefined)
  #tab: Tab | undefined
  readonly #store: SimStore | undefined
  #client: Client | undefined
  #leader: WorkerLeader | undefined
  #closed = false
  /** Of the program that runs now. */
  #life = {}

  constructor(plan: ClientPlan, surroundings: ClientSurroundings) {
    this.plan = plan
    this.name = surroundings.name
    this.process = surroundings.process
    this.#surroundings = surroundings
    const { store } = plan
    this.#store = store && new SimStore(this.process, surroundings.random, store)
    for (const wish of plan.wishes) this.#add(wish)
  }

  get delivered(): number {
    return this.#followed.reduce((sum, { witness }) => sum + witness.delivered, 0)
  }

  /** Its wishes, from where it stands; undefined where that is not known of each. */
  get goesOn(): WishPlan[] | undefined {
    const wishes = this.#followed.map(({ wish, subscription }) => {
      return { ...wish, after: subscription?.token === undefined ? [] : [subscription.token] }
    })
    return wishes.length > 0 && wishes.every(({ after }) => after.length > 0) ? wishes : undefined
  }

  /** Why it is not live; undefined = it is. */
  get waitsFor(): string | undefined {
    const waiting = this.#followed.find(({ subscription }) => subscription?.state.name !== 'live')
    return waiting && `${waiting.wish.subject} is ${JSON.stringify(waiting.subscription?.state)}`
  }

  get count(): number {
    return this.#followed.length
  }

  // To be called in its process

  start(): void {
    if (this.#closed) return
    this.#open()
    for (const followed of this.#followed) this.#subscribe(followed, followed.wish.after)
  }

  subscribe(wish: WishPlan): void {
    if (this.#client === undefined || this.#closed || this.#followed.some((each) => each.wish.subject === wish.subject))
      return
    // The tab with the connection may still follow it for this one or another; a store may be written to for the one before.
    const isOnce = this.plan.browser !== undefined || this.#store !== undefined
    if (isOnce && this.#surroundings.followed.has(wish.subject)) return
    this.#subscribe(this.#add(wish), wish.after)
  }

  unsubscribe(at: number): void {
    const [gone] = this.#followed.splice(at, 1)
    gone?.subscription?.close()
  }

  /** Its program ends without a word; another one goes on from the positions that it had stored. */
  restart(): void {
    if (this.#leader !== undefined && !this.#closed) {
      this.#tab?.crash()
      this.#leader.close()
      this.#open()
      return
    }
    const before = this.#client
    if (before === undefined || this.#closed) return
    if (this.#store !== undefined) {
      this.#store.crash()
      void before.close()
      this.#open()
      for (const followed of this.#followed) this.#subscribe(followed, followed.wish.after)
      return
    }
    if (this.goesOn === undefined) return
    const tokens = this.#followed.map(({ subscription }) => subscription!.token!)
    this.#tab?.crash()
    void before.close()
    this.#open()
    this.#followed.forEach((followed, i) => {
      followed.witness.restarts(tokens[i]!)
      this.#subscribe(followed, [tokens[i]!])
    })
  }

  happens(what: Happening): void {
    this.#environment.happens(what)
  }

  /** It takes its leave: what it has in hand counts once that is handled. */
  close(): void {
    this.#closed = true
    this.#leader?.close()
    void this.#client?.close()
  }

  // What happens to it

  /** A request of it has reached a gateway. */
  reached(url: URL, gateway: GatewayKnowledge): void {
    this.#overheard.get(url.username)?.reached(gateway)
  }

  /** Its stored positions, held against what it has handled. */
  checkPositions(): void {
    for (const { witness, subscription } of this.#followed) witness.stands(subscription?.token)
  }

  /** Where its stored positions are not the heads; undefined where they are. */
  stale(): string | undefined {
    for (const { witness, subscription } of this.#followed) {
      const stale = witness.stale(subscription?.token)
      if (stale !== undefined) return stale
    }
    return undefined
  }

  missing(): string | undefined {
    for (const { witness } of this.#followed) {
      const missing = witness.missing()
      if (missing !== undefined) return missing
    }
    return undefined
  }

  #open(): void {
    const { random, browser, process } = this.#surroundings
    const { inbox, urls, worker } = this.plan
    const isWorker = worker === 'itself'
    this.#tab = browser?.open(process, isWorker ? 'worker' : 'tab')
    this.#environment = new SimEnvironment(this.#tab?.meeting)
    this.#life = {}
    const witnessed = this.plan.ways.map((name) => this.#witnessed(ways[name]))
    if (isWorker) {
      const group: Group = ['carillon', 'app', urls, true, undefined, undefined, undefined, undefined]
      const { meeting } = this.#tab!
      const environment = this.#environment
      const options = { ways: witnessed, meeting, environment, clock: process, random }
      this.#leader = new WorkerLeader(JSON.stringify(group), options, () => {
        this.#leader = undefined
      })
      return
    }
    this.#client = new Client(urls, {
      ways: witnessed,
      inbox,
      ...(browser === undefined ? {} : { tabs: 'app', worker: worker === undefined ? '' : '/worker.js' }),
      ...(this.#store === undefined ? {} : { store: this.#store.open(this.#watcher) }),
      hiddenMs: 2000,
      clock: this.process,
      random,
      environment: this.#environment,
      onState: ({ name }) => {
        if (name === 'catching-up' && this.plan.joining !== undefined && random.next() < joiningShare)
          this.#join(this.plan.joining)
      },
    })
  }

  #join(pairs: readonly (readonly WishPlan[])[]): void {
    const before = pairs[this.#nextPair - 1] ?? []
    for (const { subject } of before) {
      const at = this.#followed.findIndex(({ wish }) => wish.subject === subject)
      if (at >= 0) this.unsubscribe(at)
    }
    for (const wish of pairs[this.#nextPair++] ?? []) this.subscribe(wish)
  }

  /** Of what is stored, and found by the next program. */
  get #watcher(): StoreWatcher {
    const of = (key: string) => this.#followed.find(({ wish }) => wish.subject === key)
    return {
      saved: (key, token) => of(key)?.witness.stands(token),
      loaded: (key, token) => {
        const followed = of(key)
        followed?.witness.restarts(token ?? followed.wish.after.find(isToken))
      },
    }
  }

  get #books() {
    const { streams, verdict, process } = this.#surroundings
    return { streams, verdict, nowMs: () => process.monotonicMs() }
  }

  #add(wish: WishPlan): TrackedSubscription {
    const witness = new Witnesses(this.name, wish, this.#books)
    const tokens = wish.after.filter(isToken)
    if (tokens.length > 0) witness.begins(tokens.flatMap((token) => decodeToken(token)))
    const followed: TrackedSubscription = { wish, witness, subscription: undefined }
    this.#followed.push(followed)
    this.#surroundings.followed.set(wish.subject, followed)
    return followed
  }

  #subscribe(followed: TrackedSubscription, after: readonly string[]): void {
    const life = this.#life
    const { subject, policy } = followed.wish
    const hasToken = after.some(isToken)
    const options = { after, ...subscribeOptions(hasToken ? undefined : followed.wish.last, policy) }
    const item = (received: Received) => {
      if (life === this.#life && this.#followed.includes(followed)) return this.#item(followed, received)
      return undefined
    }
    const onClosed = ({ code, message }: Reason) => {
      if (code !== 'done') followed.witness.broken('fault', `ended: ${code}: ${message}`)
    }
    if (this.plan.consumer === 'handlers') {
      const handlers: SubscribeHandlers = { ...options, onEvent: item, onGap: item, onClosed }
      followed.subscription = this.#client!.subscribe(subject, handlers)
      return
    }
    const subscription = this.#client!.subscribe(subject, options)
    followed.subscription = subscription
    void subscription.closed.then(onClosed)
    void consume(subscription, item)
  }

  #item({ witness, subscription }: TrackedSubscription, item: Received): Promise<void> | undefined {
    const { verdict, random } = this.#surroundings
    verdict.note(() => `${this.name} <- ${witness.subject}: ${shownItem(item)}`)
    const life = this.#life
    const handled = () => {
      // What its program had in hand when it ended is not handled.
      if (life !== this.#life) return
      if (item.kind === 'event') witness.event(item)
      else witness.gap(item)
      witness.stands(subscription?.token)
    }
    if (this.slow === 0 || random.next() >= this.slow) {
      handled()
      return undefined
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.process.after(random.next() * slowMs, () => {
      handled()
      resolve()
    })
    return promise
  }

  /** A way to a gateway, overheard. */
  #witnessed({ name, separate, open }: Transport): Transport {
    const { verdict } = this.#surroundings
    const witnessOf = (subject: string, after: readonly string[]) => this.#asks(subject, after)
    const overheardOpen: Open = (url, wishes, handlers, clock) => {
      verdict.note(() => {
        const said = wishes.map(({ subject, after }) => `${subject} after ${shownAfter(after)}`).join(', ')
        return `${this.name} connects over ${name}: ${said}`
      })
      const overheard = new OverheardStreams(separate, this.#books)
      const id = String(++this.#opened)
      this.#overheard.set(id, overheard)
      for (const wish of wishes) overheard.asks(wish, witnessOf(wish.subject, wish.after), wishes)
      const heard = overheard.handlers(handlers)
      const closed: Handlers['closed'] = (refused) => {
        if (this.isUndisturbed) verdict.broken('steady', `${this.name}: its ${name} ended: ${refused?.code ?? 'lost'}`)
        heard.closed(refused)
      }
      // A client polls through several gateways, and may try a WebSocket meanwhile: each request says whose it is.
      const own = url.replace('://', `://${id}@`)
      return overheard.connection(open(own, wishes, { ...heard, closed }, clock), witnessOf)
    }
    return { name, separate, open: overheardOpen }
  }

  /** Who is asked for. In a tab without the connection, what the gateway said may not have come: then it may begin once more. */
  #asks(subject: string, after: readonly string[]): Witnesses {
    const { witness, subscription, wish } = this.#surroundings.followed.get(subject)!
    if (this.plan.browser === undefined || after.some(isToken)) return witness
    // A tab that was frozen asks for what another one had wanted meanwhile, which has gone on by itself: what comes for that is nobody's.
    const isStale = this.process.resumedMs === this.process.monotonicMs() && subscription?.token !== undefined
    const verdict = new Verdict(this.#books.nowMs, () => {}, {})
    if (isStale) return new Witnesses(`${this.name} for nobody`, wish, { ...this.#books, verdict })
    witness.beginsAgain(subscription?.token)
    return witness
  }
}

async function consume(subscription: Subscription, handle: (item: Received) => unknown): Promise<void> {
  try {
    for await (const item of subscription) await handle(item)
  } catch {
    // Why it ended is told by `closed`.
  }
}

/** A device and a page, as they are at the moment. */
class SimEnvironment implements Environment {
  readonly tabs: TabMeeting | undefined
  #online = true
  readonly #watching = new Set<(what: Happening) => void>()

  constructor(tabs: TabMeeting | undefined) {
    this.tabs = tabs
  }

  online(): boolean {
    return this.#online
  }

  watch(happened: (what: Happening) => void): () => void {
    this.#watching.add(happened)
    return () => this.#watching.delete(happened)
  }

  happens(what: Happening): void {
    if (what === 'online' || what === 'offline') this.#online = what === 'online'
    for (const happened of [...this.#watching]) happened(what)
  }
}

function shownItem(item: Received): string {
  const { partition } = item
  if (item.kind === 'event') return `${item.subject} "${item.id}" @${partition}/${item.offset}`
  return `gap ${item.reason} ${item.from} to ${item.to} of partition ${partition}`
}

/** For people: `2@17(3)` = partition 2, offset 17, generation 3. */
function shownAfter(after: readonly string[]): string {
  return after.map((text) => (isToken(text) ? shownToken(text) : text)).join(' ') || 'latest'
}
