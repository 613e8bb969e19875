import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { matches } from '../../src/subject/subject.ts'
import { type GapReason, type Policy, subscribeOptions } from '../../src/wire/frames.ts'
import { decodeToken, encodeToken, type Position } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, type TestClient, TestGateway } from './harness.ts'

const partitions = 3
const subjects = ['a.1', 'a.2', 'a.3', 'b.1', 'b.2']
const interests = ['a.1', 'b.2', 'a.*', '>', 'b.>']

interface Published {
  readonly subject: string
  readonly partition: number
  readonly offset: number
  readonly text: string
  readonly collapseKey: string
  readonly ttlMs: number
}

/** A subscription over all of its connections: its deliveries and its gaps. */
interface Follower {
  readonly interest: string
  readonly policy: Policy
  readonly transport: 'websocket' | 'poll'
  client: TestClient
  /** Number of frames of `client` that were examined. */
  seen: number
  /** Position at which the next connection resumes. */
  token: string
  readonly given: Published[]
  readonly gaps: { partition: number; from: number; to: number; reason: GapReason; n: number | undefined }[]
  /** The heads at its start. */
  readonly since: number[]
}

const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      subject: fc.nat(4),
      count: fc.integer({ min: 1, max: 12 }),
      collapse: fc.constantFrom('', '', 'k', 'l'),
      ttlMs: fc.constantFrom(0, 0, 0, 1500),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('follow' as const),
      interest: fc.nat(4),
      poll: fc.boolean(),
      latest: fc.constantFrom(false, false, true),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('room' as const),
      who: fc.nat(5),
      room: fc.nat(6),
      refuses: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('drain' as const),
      who: fc.nat(5),
      room: fc.integer({ min: 1, max: 40 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('reconnect' as const), who: fc.nat(5), other: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('retain' as const),
      partition: fc.nat(2),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('hole' as const),
      partition: fc.nat(2),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('damage' as const), subject: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('away' as const), away: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('later' as const), ms: fc.constantFrom(500, 2000) }) },
)

/**
 * Two gateways on one broker would each need their own tail, so the second one is a restart of
 * the first.
 */
class World {
  readonly broker = new ModelBroker('events', partitions)
  gateway!: TestGateway
  readonly published: Published[] = []
  readonly followers: Follower[] = []
  #count = 0
  readonly #payloadBytes: number

  /**
   * With few payload bytes the index reaches further back than the payloads, so both tiers are
   * read.
   */
  constructor(payloadBytes: number) {
    this.#payloadBytes = payloadBytes
  }

  async start(): Promise<void> {
    this.gateway = await TestGateway.start(this.broker, {}, { entries: 64, payloadBytes: this.#payloadBytes })
  }

  publish(subject: string, collapseKey: string, ttlMs: number): void {
    const text = `${++this.#count}`
    const { partition } = this.gateway.routing.place(subject, () => partitions)
    const offset = this.gateway.publish(subject, text, { collapseKey, ttlMs })
    this.published.push({ subject, partition: partition!, offset, text, collapseKey, ttlMs })
  }

  /** Writes an event that cannot be delivered: all readers of its partition must get a gap. */
  damage(subject: string): void {
    const { partition } = this.gateway.routing.place(subject, () => partitions)
    const offset = this.broker.damage(partition!)
    this.published.push({ subject, partition: partition!, offset, text: '', collapseKey: '', ttlMs: 0 })
  }

  follow(interest: string, transport: Follower['transport'], policy: Policy): void {
    const client = this.gateway.connect(transport)
    const since = Array.from({ length: partitions }, (_, p) => this.gateway.stream.partitions[p]!.window.head)
    const follower: Follower = { interest, policy, transport, client, seen: 0, token: '', given: [], gaps: [], since }
    this.followers.push(follower)
    const options = subscribeOptions(undefined, policy)
    if (transport === 'websocket') client.ask(1, interest, options)
    else client.session.start([interest], [], options)
    follower.token = transport === 'poll' ? client.session.token() : ''
    this.look(follower)
  }

  /**
   * Stores what the client received since the last call, as a client that stores each position
   * would.
   */
  look(follower: Follower): void {
    const { client } = follower
    for (const frame of client.frames.slice(follower.seen)) {
      if (frame.subscribed !== undefined) this.#advance(follower, frame.subscribed.after)
      if (frame.gap !== undefined) {
        const { partition, from, to, reason, n } = frame.gap
        assert.ok(to !== undefined && from <= to, 'a gap has bounds')
        follower.gaps.push({ partition, from, to, reason, n })
        this.#advance(follower, frame.gap.after)
      }
      if (frame.delivery !== undefined) {
        const { partition, offset, event, after } = frame.delivery
        const { subject, text, collapseKey = '', ttlMs = 0 } = event
        follower.given.push({ subject, partition, offset, text, collapseKey, ttlMs })
        this.#advance(follower, after)
      }
    }
    follower.seen = client.frames.length
    if (follower.transport === 'poll') follower.token = client.session.token()
  }

  /** WebSocket: returns the known positions, the newer one of each partition. */
  #advance(follower: Follower, token: string): void {
    if (follower.transport === 'poll') return
    this.#positions.set(follower, [...(this.#positions.get(follower) ?? []), token])
  }
  readonly #positions = new Map<Follower, string[]>()

  async reconnect(follower: Follower, restart: boolean): Promise<void> {
    this.look(follower)
    const after = follower.transport === 'poll' ? [follower.token] : newestOf(this.#positions.get(follower) ?? [])
    follower.client.session.closed()
    if (restart) await this.#restart()
    this.#open(follower, after)
  }

  /**
   * Restarts the gateway: empty windows, all sessions gone. The broker is reachable: otherwise a
   * client would ask again.
   */
  async #restart(): Promise<void> {
    const others = this.followers.map((follower) => {
      this.look(follower)
      follower.client.session.closed()
      return [
        follower,
        follower.transport === 'poll' ? [follower.token] : newestOf(this.#positions.get(follower) ?? []),
      ] as const
    })
    this.broker.away = false
    await this.start()
    for (const [follower, after] of others) this.#open(follower, after)
  }

  #open(follower: Follower, after: readonly string[]): void {
    follower.client.session.closed()
    follower.client = this.gateway.connect(follower.transport)
    follower.seen = 0
    const options = subscribeOptions(undefined, follower.policy)
    if (follower.transport === 'websocket') follower.client.ask(1, follower.interest, options, ...after)
    else follower.client.session.start([follower.interest], after, options)
  }

  /** Drains everything with the broker reachable: afterwards nothing may be pending. */
  async quiet(): Promise<void> {
    this.broker.away = false
    for (let i = 0; i < 60; i++) {
      for (const { client } of this.followers) client.drain()
      await settled()
      await this.gateway.clock.advance(1000)
      if (this.gateway.instruments.gateway.behind === 0) break
    }
    for (const follower of this.followers) this.look(follower)
  }

  check(): void {
    for (const follower of this.followers) {
      const wanted = this.published.filter(
        (each) => matches(follower.interest, each.subject) && each.offset >= follower.since[each.partition]!,
      )
      const told = (each: Published) =>
        follower.gaps.some(
          ({ partition, from, to }) => partition === each.partition && from <= each.offset && each.offset <= to,
        )
      const byPartition = (list: readonly Published[], p: number) => list.filter(({ partition }) => partition === p)
      checkCounts(follower, wanted)
      for (let p = 0; p < partitions; p++) {
        const given = byPartition(follower.given, p)
        for (let i = 1; i < given.length; i++) assert.ok(given[i]!.offset > given[i - 1]!.offset, 'in order, once')
        const missing = byPartition(wanted, p).filter((each) => !given.some(({ offset }) => offset === each.offset))
        for (const each of missing) checkDrop(follower, each, wanted)
        assert.deepEqual(
          missing.filter((each) => !told(each)),
          [],
          `${follower.transport} ${follower.interest}: missing and not told`,
        )
        for (const each of given)
          assert.deepEqual(
            each,
            wanted.find(({ partition, offset }) => partition === p && offset === each.offset),
          )
      }
    }
    assert.equal(this.gateway.instruments.gateway.behind, 0, 'all quiet: every session is at the head')
  }
}

/** Asserts that each event left out by a policy was replaced or expired. */
function checkDrop(follower: Follower, event: Published, wanted: readonly Published[]): void {
  const gaps = follower.gaps.filter(
    ({ partition, from, to }) => partition === event.partition && from <= event.offset && event.offset <= to,
  )
  if (gaps.some(({ n }) => n === undefined)) return
  const after = wanted.filter(
    (each) => each.subject === event.subject && each.offset > event.offset && each.text !== '',
  )
  for (const { reason } of gaps) {
    if (reason === 'ttl') assert.ok(event.ttlMs > 0, 'it has a time to live')
    else if (reason === 'latest') assert.ok(follower.policy === 'latest' && after.length > 0, 'a later one follows')
    else assert.ok(reason === 'collapsed' && after.some(({ collapseKey }) => collapseKey === event.collapseKey))
  }
}

/** Asserts that each event left out by a policy is counted once. */
function checkCounts(follower: Follower, wanted: readonly Published[]): void {
  for (const { partition, from, to, n, reason } of follower.gaps) {
    if (n === undefined) continue
    const inside = wanted.filter((each) => each.partition === partition && each.offset >= from && each.offset <= to)
    assert.equal(inside.length, n, `${reason}: as many as it says, and none that was given`)
  }
}

function newestOf(tokens: readonly string[]): string[] {
  // A client keeps the newest token of each partition; merging all tokens would start at the
  // oldest.
  const newest = new Map<string, Position>()
  for (const token of tokens) for (const position of decodeToken(token)) newest.set(`${position.partition}`, position)
  return newest.size === 0 ? [] : [encodeToken([...newest.values()])]
}

const histories = fc.array(step, { minLength: 10, maxLength: 60, size: 'max' })

test('over full sockets, reconnects, restarts, holes and retention each event arrives once, in order, or in a gap', async () => {
  await fc.assert(
    fc.asyncProperty(histories, fc.constantFrom(1024, 65_536), async (steps, payloadBytes) => {
      const world = new World(payloadBytes)
      await world.start()
      for (const action of steps) await apply(world, action)
      await world.quiet()
      world.check()
    }),
    { numRuns: 150 },
  )
})

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

async function apply(world: World, action: Step): Promise<void> {
  const follower = 'who' in action ? world.followers[action.who % Math.max(1, world.followers.length)] : undefined
  switch (action.kind) {
    case 'publish':
      for (let i = 0; i < action.count; i++)
        world.publish(subjects[(action.subject + i) % subjects.length]!, action.collapse, action.ttlMs)
      break
    case 'follow':
      if (world.followers.length < 6) {
        const policy = action.latest ? 'latest' : 'lossless'
        world.follow(interests[action.interest]!, action.poll ? 'poll' : 'websocket', policy)
      }
      break
    case 'room':
      if (follower !== undefined) {
        follower.client.room = action.room === 0 ? 1 : action.room
        follower.client.refuses = action.refuses
      }
      break
    case 'drain':
      follower?.client.drain(action.room)
      break
    case 'reconnect':
      if (follower !== undefined) await world.reconnect(follower, action.other)
      break
    case 'retain': {
      const { head } = await world.broker.offsets(world.broker.info, action.partition).catch(() => ({ head: 0 }))
      world.broker.retain(action.partition, Math.floor(head * action.share))
      break
    }
    case 'hole':
      world.broker.hole(action.partition, action.count)
      break
    case 'damage':
      world.damage(subjects[action.subject]!)
      break
    case 'away':
      world.broker.away = action.away
      break
    case 'later':
      await world.gateway.clock.advance(action.ms)
      world.broker.nowMs = world.gateway.clock.nowUs() / 1000
      break
    case 'settle':
      await settled()
  }
}
