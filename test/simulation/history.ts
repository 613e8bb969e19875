import { act, read } from './actions.ts'
import type { SimBroker } from './broker.ts'
import type { SimClient } from './client.ts'
import type { ExcuseCounts } from './excuses.ts'
import type { SimGateway } from './gateway.ts'
import { inspect, inspectEmpty } from './inspect.ts'
import type { Plan } from './plan.ts'
import { replacePlatform } from './platform.ts'
import type { Failure, Wanted } from './verdict.ts'
import { World } from './world.ts'

export interface Outcome {
  readonly failure: Failure | undefined
  readonly trace: readonly string[]
  /** Tasks run, events delivered, virtual time elapsed. */
  readonly tasks: number
  readonly delivered: number
  readonly virtualMs: number
  readonly excuses: ExcuseCounts['counts']
}

/**
 * How long a healed cluster may take until every client has everything, in addition to
 * `readBackMs`, virtual ms. Silence is noticed after 60 s.
 */
const settleMs = 240_000
/** Interval between checks, virtual ms. */
const lookMs = 1000
/** How long an idle position may lag, virtual ms. Heartbeats and polls take at most 25 s. */
const renewalMs = 60_000
/** Longest delivery time to a live client, virtual ms. Latencies are tens of ms. */
const promptMs = 3000
/**
 * Share of the histories in which all clients stay connected, and for how long, virtual ms. A
 * silence of 60 s is a dead connection.
 */
const undisturbed = { share: 0.25, ms: 65_000 }
/** Longest duration of the last round of events, in addition to `readBackMs`, virtual ms. */
const lastRoundMs = 120_000

/**
 * Runs a planned history and judges it. Replaces the platform during the run, so a thread can run
 * only one at a time.
 */
export async function run(plan: Plan, wanted: Wanted = {}): Promise<Outcome> {
  const world = new World(plan, wanted)
  const { verdict, time } = world
  const restore = replacePlatform(world)
  const failed = (error: unknown) =>
    verdict.broken('fault', error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.on('unhandledRejection', failed)
  try {
    await happen(world)
  } catch (error) {
    failed(error)
  } finally {
    process.off('unhandledRejection', failed)
    restore()
  }
  const delivered = world.clients.reduce((sum, client) => sum + client.delivered, 0)
  const { failure, trace = [], excuses } = verdict
  return { failure, trace, tasks: time.done, delivered, virtualMs: time.nowMs, excuses: excuses?.counts ?? {} }
}

async function happen(world: World): Promise<void> {
  const { plan, time, verdict } = world
  for (let i = 0; i < plan.gateways; i++) world.startGateway()
  for (const client of plan.clients) world.addClient(client)
  for (const action of plan.actions) {
    await time.runTo(action.atMs)
    if (verdict.failure !== undefined) return
    act(world, action)
  }
  heal(world)
  verdict.note(() => 'everything heals')
  await untilAllHave(world, settleMs + readBackMs(world))
  for (const client of world.clients) client.checkPositions()
  if (verdict.failure !== undefined) return
  for (const subject of plan.subjects) world.publish(subject)
  verdict.note(() => 'a last event of each subject is published')
  await promptly(world)
  await untilAllHave(world, lastRoundMs + readBackMs(world))
  await untilAllAreAtTheHead(world)
  if (world.random.next() < undisturbed.share) await undisturbedly(world)
  for (const gateway of world.gateways) inspect(gateway, world.streams, verdict, true)
  await leaveAll(world)
}

/**
 * Ends all faults, also those scheduled for later. Half-open connections remain, for both ends to
 * notice.
 */
function heal(world: World): void {
  const { streams, cluster, gateways, clients, plan } = world
  for (const { owner, publishers } of streams) {
    owner.restore()
    while (publishers.finish(true));
  }
  cluster.heal?.()
  world.endAllPassing()
  for (let count = gateways.length; count < plan.gateways; count++) world.startGateway()
  for (const { process, source } of gateways) {
    process.resume()
    source.latencyMs = 6
    source.setAway(false)
  }
  for (const client of clients) {
    client.process.resume()
    client.slow = 0
    client.process.after(0, () => {
      client.happens('online')
      client.happens('visible')
    })
    Object.assign(world.reach.get(client.process)!, { slowMs: 0, capacity: plan.capacity, blocked: '' })
    read(world, client, false)
    for (const { down } of world.connectionsOf(client.process)) down.slowMs = 0
  }
}

/**
 * Returns the time to read the whole log back for each client separately, at the rate of one
 * gateway, virtual ms.
 */
function readBackMs({ plan, streams, clients }: World): number {
  const { bytesPerSecond } = plan.size
  if (bytesPerSecond === 0) return 0
  const incarnations = streams.flatMap(({ broker }) => broker.incarnations)
  const records = incarnations.flatMap(({ logs }) => logs.flatMap(({ past }) => past))
  const bytes = records.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0), 0)
  return (1000 * clients.length * bytes) / bytesPerSecond
}

async function untilAllHave(world: World, withinMs: number): Promise<void> {
  const { time, verdict } = world
  const deadline = time.nowMs + withinMs
  for (;;) {
    await time.runTo(time.nowMs + lookMs)
    if (verdict.failure !== undefined) return
    const lacking = unsettled(world)
    if (lacking === undefined) return
    if (time.nowMs < deadline) continue
    const missing = missingOf(world)
    verdict.broken(missing === undefined ? 'quiet' : 'missing', missing ?? lacking)
    return
  }
}

/** Checks that live clients without a dead connection receive the last events promptly. */
async function promptly(world: World): Promise<void> {
  const { time, verdict, clients } = world
  const hearing = clients.filter((client) => !isDeaf(world, client))
  const missingOf = () => hearing.map((client) => client.missing()).find((each) => each !== undefined)
  const deadline = time.nowMs + promptMs
  while (verdict.failure === undefined && time.nowMs < deadline) {
    await time.runTo(time.nowMs + promptMs / 6)
    if (missingOf() === undefined) return
  }
  const missing = missingOf()
  if (missing !== undefined) verdict.broken('prompt', missing)
}

/** Checks that no connection ends while nothing happens. */
async function undisturbedly(world: World): Promise<void> {
  const { time, clients } = world
  for (const client of clients) client.isUndisturbed = !isDeaf(world, client) && !mayFindNoRoom(world, client)
  await time.runTo(time.nowMs + undisturbed.ms)
  for (const client of clients) client.isUndisturbed = false
}

/**
 * Returns whether gateways may have no room for the client. A client that changes to a better
 * transport briefly has three connections: the old one, a probe and the new one.
 */
function mayFindNoRoom({ plan, clients }: World, client: SimClient): boolean {
  return client.plan.ways.length > 1 && plan.size.maxSessions < 3 * clients.length
}

/**
 * Returns whether the client's connection is dead, or that of another tab of its browser, which
 * may be the leader.
 */
function isDeaf(world: World, client: SimClient): boolean {
  const { browser } = client.plan
  const tabs = browser === undefined ? [client] : world.clients.filter(({ plan }) => plan.browser === browser)
  return tabs.some(({ process }) => world.connectionsOf(process).some(({ isDead }) => isDead))
}

/**
 * Waits until all positions are at the head. Even a client without events must reach it, so that
 * its token stays fresh.
 */
async function untilAllAreAtTheHead({ time, verdict, clients }: World): Promise<void> {
  const deadline = time.nowMs + renewalMs
  const staleOf = () => clients.map((client) => client.stale()).find((each) => each !== undefined)
  while (verdict.failure === undefined && time.nowMs < deadline && staleOf() !== undefined) {
    await time.runTo(time.nowMs + lookMs)
  }
  const stale = staleOf()
  if (stale !== undefined) verdict.broken('fresh', stale)
}

/** Returns what remains to be done before the cluster is quiet; undefined = it is quiet. */
function unsettled(world: World): string | undefined {
  const waiting = world.clients.find(({ waitsFor }) => waitsFor !== undefined)
  if (waiting !== undefined) return `${waiting.name}: ${waiting.waitsFor}`
  const behind = world.gateways.find(({ instruments }) => instruments.gateway.behind !== 0)
  if (behind !== undefined) return `${behind.name} has ${behind.instruments.gateway.behind} sessions behind`
  for (const gateway of world.gateways) {
    for (const { broker } of world.streams) {
      const behind = behindOf(gateway, broker)
      if (behind !== undefined) return behind
    }
  }
  return missingOf(world)
}

/** Returns what a gateway has not read yet of a stream. */
function behindOf({ name, feeds }: SimGateway, broker: SimBroker): string | undefined {
  const feed = feeds.streams.get(broker.name)
  const { current } = broker
  if (feed?.info?.incarnation !== current.id || feed.info.partitions !== current.logs.length)
    return `${name} does not know ${broker.name}`
  for (const { partition, parked, window } of feed.partitions) {
    const { head } = broker.log(partition) ?? { head: 0 }
    if (parked.size > 0) return `${name} has readers ahead of ${broker.name}/${partition}`
    if (window.head !== head) return `${name} has read ${broker.name}/${partition} up to ${window.head} of ${head}`
  }
  return undefined
}

function missingOf(world: World): string | undefined {
  for (const client of world.clients) {
    const missing = client.missing()
    if (missing !== undefined) return missing
  }
  return undefined
}

async function leaveAll(world: World): Promise<void> {
  const { time, verdict, clients, gateways } = world
  for (const client of clients) client.process.after(0, () => client.close())
  // The longest time for which a dead connection can stay unnoticed.
  await time.runTo(time.nowMs + 30_000)
  if (verdict.failure !== undefined) return
  for (const gateway of gateways) inspectEmpty(gateway, verdict)
  const left = world.cluster.unfinished?.()
  if (left !== undefined) verdict.broken('log', left)
}
