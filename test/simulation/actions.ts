import type { Happening } from '../../src/client/environment.ts'
import { aimOf } from './aim.ts'
import { type SimClient, wayNames } from './client.ts'
import type { Connection } from './connection.ts'
import { forge } from './forger.ts'
import { inspect } from './inspect.ts'
import type { LogRecord } from './partition-log.ts'
import { type Action, type ActionKind, makeClient, makeSubject } from './plan.ts'
import type { SimStream } from './streams.ts'
import type { World } from './world.ts'

/** Maps a number in [0, 1) to an integer below `count`. */
const below = (x: number, count: number): number => Math.floor(x * count)
const oneOf = <T>(list: readonly T[], x: number): T | undefined => list[below(x, list.length)]

type Act = (world: World, action: Action) => void

/** Performs an action. Does nothing when the action has no target. */
export function act(world: World, action: Action): void {
  acts[action.kind](world, action)
}

const acts: Readonly<Record<ActionKind, Act>> = {
  // Publishers

  publish(world, { x, y, z }) {
    const { subjects } = world.plan
    const stream = world.streamFor(oneOf(subjects, x)!)
    const open = stream.publishers.transactions
    const transaction = y < 0.5 ? open[below(z, open.length)] : undefined
    const count = 1 + below(z, y < 0.2 ? 30 : 5)
    for (let i = 0; i < count; i++) {
      const subject = subjects[(below(x, subjects.length) + (y < 0.7 ? 0 : i)) % subjects.length]!
      const record = world.publish(subject, world.streamFor(subject) === stream ? transaction : undefined)
      if (record !== undefined) {
        const { event, partition, offset, epoch } = record
        world.verdict.note(
          () =>
            `published ${event?.subject} "${event?.id}" @${partition}/${offset} epoch ${epoch}${transaction === undefined ? '' : ` in transaction ${transaction}`}`,
        )
      }
    }
  },

  begin(world, action) {
    const { broker, publishers } = streamOf(world, action)
    if (broker.missing) return
    const transaction = publishers.begin()
    world.verdict.note(() => `transaction ${transaction} begins`)
  },

  finish(world, action) {
    const { broker, publishers } = streamOf(world, action)
    const committed = action.x < 0.6
    if (!broker.missing && publishers.finish(committed)) {
      world.verdict.note(() => `the oldest transaction is ${committed ? 'committed' : 'aborted'}`)
    }
  },

  hole(world, action) {
    const log = logOf(world, action)
    log?.skip(1 + below(action.y, 4), world.time.nowMs)
  },

  unusable(world, action) {
    const { x, y, z } = action
    const subject = oneOf(world.plan.subjects, x)!
    const { broker, publishers, truth } = streamOf(world, action)
    if (!truth.carries(subject)) publishers.foreign(subject)
    else publishers.unusable(subject, below(y, broker.partitions), z)
  },

  damage(world, { x }) {
    const subject = oneOf(world.plan.subjects, x)!
    const record = world.streamFor(subject).publishers.damaged(subject)
    if (record !== undefined) world.verdict.note(() => `the record @${record.partition}/${record.offset} is damaged`)
  },

  // The log

  retain(world, action) {
    const log = logOf(world, action)
    if (log === undefined) return
    const first = log.first + below(action.y, log.head - log.first + 1)
    world.verdict.note(() => `retention: partition ${log.partition} begins at ${first}`)
    streamOf(world, action).owner.retain(log, first)
  },

  rewrite(world, action) {
    const { z } = action
    const log = cutTo(world, action)
    if (log === undefined) return
    const own = world.plan.subjects
    for (let i = below(z, 12); i > 0; i--) world.publish(own[(below(z, own.length) + i) % own.length]!)
  },

  replaceUnsaid(world, { x, y, z }) {
    const subject = oneOf(world.plan.subjects, x)!
    const count = 1 + below(y, 3)
    // Over SSE, a position follows this event, but none follows further events within a second.
    if (world.publish(subject) === undefined) return
    world.time.add(world.outside, 100 + z * 200, () => {
      const replaced = world.publish(subject)
      for (let i = 1; i < count; i++) world.publish(subject)
      world.time.add(world.outside, 100, () => replaceRecords(world, replaced, count))
    })
  },

  cutBack(world, action) {
    cutTo(world, action)
  },

  recreate(world, action) {
    const { x, y } = action
    const { broker, owner, publishers } = streamOf(world, action)
    if (broker.missing) return
    publishers.transactions.length = 0
    owner.recreate(y < 0.6 ? broker.partitions : 1 + below((y - 0.6) / 0.4, 4), x < 0.5 ? 0 : x * 3000)
  },

  grow(world, action) {
    const { broker, owner } = streamOf(world, action)
    if (broker.missing || broker.partitions >= mostPartitions(world, broker.name)) return
    owner.grow()
    world.verdict.note(() => `${broker.name} has ${broker.partitions} partitions now`)
  },

  brokerAway(world, { x }) {
    const gone = world.gateways.slice()
    world.verdict.note(() => 'the broker is away')
    for (const { source } of gone) source.setAway(true)
    world.time.add(world.outside, x * 5000, () => {
      for (const { source } of gone) source.setAway(false)
    })
  },

  linkAway(world, { x, y }) {
    const gateway = oneOf(world.gateways, x)
    if (gateway === undefined) return
    world.verdict.note(() => `${gateway.name} does not reach the broker`)
    gateway.source.setAway(true)
    world.time.add(world.outside, y * 6000, () => gateway.source.setAway(false))
  },

  brokerFault(world, action) {
    const { cluster, verdict } = world
    const what = cluster.fault?.(action)
    if (what !== undefined) verdict.note(() => what)
  },

  slowBroker(world, { x, y, z }) {
    const gateway = oneOf(world.gateways, x)
    if (gateway === undefined) return
    const { source } = gateway
    const before = source.latencyMs
    source.latencyMs = 50 + z * 1500
    world.verdict.note(() => `${gateway.name} is up to ${source.latencyMs.toFixed(0)} ms from the broker`)
    world.time.add(world.outside, y * 5000, () => {
      source.latencyMs = Math.min(before, 6)
    })
  },

  // Gateways

  crash(world, { x, y }) {
    const gateway = oneOf(world.gateways, x)
    if (gateway === undefined) return
    world.verdict.note(() => `${gateway.name} crashes${y < 0.3 ? ', and its host with it' : ''}`)
    world.crash(gateway, y < 0.3, y * 3000)
  },

  drain(world, { x, y }) {
    const gateway = oneOf(world.gateways, x)
    if (gateway === undefined || !gateway.listening) return
    world.verdict.note(() => `${gateway.name} drains`)
    gateway.process.after(0, () => void gateway.drain())
    world.replace(gateway, y * 2000)
    world.time.add(world.outside, 3000, () => {
      gateway.crash()
      for (const connection of world.connectionsOf(gateway.process)) connection.cut()
    })
  },

  pauseGateway(world, { x, y }) {
    const gateway = oneOf(world.gateways, x)
    if (gateway === undefined) return
    world.verdict.note(() => `${gateway.name} stands still`)
    gateway.process.pause()
    world.time.add(world.outside, y * 8000, () => gateway.process.resume())
  },

  stepClock(world, { x, y }) {
    const processes = [...world.gateways.map(({ process }) => process), ...world.clients.map(({ process }) => process)]
    const process = oneOf(processes, x)
    const stepMs = (y - 0.5) * 20_000
    world.verdict.note(() => `the clock of ${process?.name} is set by ${stepMs.toFixed(0)} ms`)
    process?.step(stepMs)
  },

  massReconnect(world, { x }) {
    const gateway = oneOf(world.gateways, x)
    if (gateway === undefined) return
    world.verdict.note(() => `all connections to ${gateway.name} are cut`)
    for (const connection of world.connectionsOf(gateway.process)) connection.cut()
  },

  // Clients and their connections

  cut: onConnection('is cut off', (_world, connection) => connection.cut()),

  halfOpen: onConnection('has a connection that died silently', (_world, connection) => connection.halfOpen()),

  loseAnswer: onConnection('is sent what never arrives', (world, connection) => {
    connection.down.silent = true
    world.time.add(connection.client, 1500, () => connection.cut())
  }),

  stall(world, { x, y }) {
    const client = oneOf(world.clients, x)
    if (client === undefined) return
    world.verdict.note(() => `${client.name} reads nothing`)
    read(world, client, true)
    world.time.add(world.outside, y * 9000, () => read(world, client, false))
  },

  slowReader(world, { x, y, z }) {
    const client = oneOf(world.clients, x)
    if (client === undefined) return
    const reach = world.reach.get(client.process)!
    reach.slowMs = y < 0.4 ? 0 : z * 300
    world.verdict.note(() => `${client.name} takes ${reach.slowMs.toFixed(0)} ms to read a piece`)
    for (const { down } of world.connectionsOf(client.process)) down.slowMs = reach.slowMs
  },

  tinySocket(world, { x, y }) {
    const client = oneOf(world.clients, x)
    if (client === undefined) return
    const reach = world.reach.get(client.process)!
    reach.capacity = 100 + below(y, 600)
    for (const { down } of world.connectionsOf(client.process)) down.capacity = reach.capacity
  },

  pauseClient(world, { x, y }) {
    const client = oneOf(world.clients, x)
    if (client === undefined) return
    world.verdict.note(() => `${client.name} sleeps`)
    client.process.pause()
    // Other tabs of the browser notice a frozen tab within 26 s.
    const mostMs = client.plan.browser === undefined ? 8000 : 40_000
    world.time.add(world.outside, y * mostMs, () => client.process.resume())
  },

  slowHandler(world, { x, y }) {
    const client = oneOf(world.clients, x)
    if (client !== undefined) client.slow = y < 0.3 ? 0 : y * 0.3
  },

  twin(world, { x, y }) {
    const client = oneOf(world.clients, x)
    const wishes = client?.goesOn
    if (client === undefined || wishes === undefined || isCrowded(world)) return
    const twin = world.addClient({ ...client.plan, ways: [oneOf(wayNames, y)!], wishes, browser: undefined })
    world.verdict.note(() => `${twin.name} resumes from the position of ${client.name}`)
  },

  block(world, { x, y, z }) {
    const client = oneOf(world.clients, x)
    if (client === undefined) return
    const reach = world.reach.get(client.process)!
    reach.blocked = oneOf(['/v1/ws', '/v1/sse', '/v1/poll'], y)!
    world.verdict.note(() => `a proxy keeps ${client.name} from ${reach.blocked}`)
    for (const connection of world.connectionsOf(client.process)) connection.cut()
    world.time.add(world.outside, z * 20_000, () => {
      reach.blocked = ''
    })
  },

  offline: happening('offline', 'online'),

  hidden: happening('hidden', 'visible'),

  restartClient(world, { x }) {
    const client = oneOf(world.clients, x)
    if (client === undefined) return
    world.verdict.note(() => `the program of ${client.name} ends and restarts`)
    client.process.after(0, () => client.restart())
  },

  subscribe(world, { x }) {
    const client = oneOf(world.clients, x)
    if (client === undefined || client.count >= 4) return
    const subject = makeSubject(world.random, world.plan.subjects)
    client.process.after(0, () => client.subscribe({ subject, after: [] }))
  },

  unsubscribe(world, { x, y }) {
    const client = oneOf(world.clients, x)
    if (client === undefined || client.count < 2) return
    client.process.after(0, () => client.unsubscribe(below(y, client.count)))
  },

  follow(world) {
    if (!isCrowded(world)) world.addClient(makeClient(world.random, world.plan.subjects))
  },

  leave(world, { x }) {
    const client = world.clients.length < 3 ? undefined : oneOf(world.clients, x)
    if (client === undefined) return
    world.verdict.note(() => `${client.name} leaves`)
    world.clients.splice(world.clients.indexOf(client), 1)
    client.process.after(0, () => client.close())
  },

  forge,

  inspect(world) {
    for (const gateway of world.gateways) inspect(gateway, world.streams, world.verdict, false)
  },
}

/** Whether a single gateway could not serve another client. */
const isCrowded = (world: World): boolean => world.clients.length >= world.plan.size.maxSessions - 1

/** Returns two more than the initial number of partitions, at most six. */
function mostPartitions({ plan }: World, name: string): number {
  const { partitions } = plan.streams.find((stream) => stream.name === name)!
  return Math.max(6, partitions + 2)
}

/**
 * Returns the target stream of an action, from digits of its time that nothing else depends on.
 */
const streamOf = ({ streams }: World, { atMs }: Action): SimStream => oneOf(streams, aimOf(atMs))!

function logOf(world: World, action: Action) {
  const { broker } = streamOf(world, action)
  return broker.missing ? undefined : oneOf(broker.current.logs, action.x)
}

function cutTo(world: World, action: Action) {
  const { y, z } = action
  const log = logOf(world, action)
  if (log === undefined || log.end === log.first || isAnyStarting(world)) return undefined
  const from = Math.max(log.first, log.end - 1 - below(y, z > 0.7 ? 80 : 10))
  // A log that identifies histories by time takes a while to return.
  if (world.plan.generations === 'times') streamOf(world, action).broker.process.step(1000)
  log.rewrite(from, world.time.nowMs)
  world.verdict.note(() => `partition ${log.partition} is rewritten from ${from} on, in epoch ${log.epoch}`)
  return log
}

/**
 * A gateway that asks for a head and reads from there does not notice a rewrite in between: the
 * contract carries no epoch from the first call to the second. A known limit of the first second.
 */
function isAnyStarting(world: World): boolean {
  // Kafka's adapter knows the leader that returned the head.
  if (world.plan.source === 'kafka') return false
  return world.gateways.some(({ streams }) =>
    streams.some(
      ({ info, intake, partitions }) =>
        info === undefined || partitions.some(({ partition }) => !intake.hasReached(partition)),
    ),
  )
}

/**
 * Replaces records after all connections are cut, so that no connection delivers both versions.
 */
function replaceRecords(world: World, replaced: LogRecord | undefined, count: number): void {
  const { verdict, time } = world
  if (replaced?.event === undefined || replaced.gone !== undefined || isAnyStarting(world)) return
  const { broker, publishers } = world.streamFor(replaced.event.subject)
  if (broker.missing) return
  const { incarnation, partition, offset, event } = replaced
  // A deletion has no id: another one in its place looks the same to all clients.
  if (incarnation !== broker.current.index || event.deleted) return
  for (const { process } of world.gateways) for (const each of world.connectionsOf(process)) each.cut()
  if (world.plan.generations === 'times') broker.process.step(1000)
  broker.log(partition).rewrite(offset, time.nowMs)
  verdict.note(() => `all are cut off, and partition ${partition} is rewritten from ${offset} on`)
  for (let i = 0; i < count; i++) publishers.publish(event.subject)
}

function happening(what: Happening, end: Happening): Act {
  return (world, { x, y }) => {
    const client = oneOf(world.clients, x)
    if (client === undefined) return
    world.verdict.note(() => `${client.name} is ${what}`)
    client.process.after(0, () => client.happens(what))
    world.passes(client.process, y * 8000, () => client.happens(end))
  }
}

function onConnection(what: string, happen: (world: World, connection: Connection) => void): Act {
  return (world, { x, y }) => {
    const client = oneOf(world.clients, x)
    const connection = client && oneOf(world.connectionsOf(client.process), y)
    if (connection === undefined) return
    world.verdict.note(() => `${client?.name} ${what}`)
    happen(world, connection)
  }
}

export function read(world: World, client: SimClient, stalled: boolean): void {
  world.reach.get(client.process)!.stalled = stalled
  for (const { down } of world.connectionsOf(client.process)) {
    if (stalled) down.stalled = true
    else down.resume()
  }
}
