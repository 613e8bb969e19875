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
  /** Tasks run, events handed over, virtual time that passed. */
  readonly tasks: number
  readonly delivered: number
  readonly virtualMs: number
  readonly excuses: ExcuseCounts['counts']
}

/** How long a healed cluster may take until everybody has everything, beside `readBackMs`, virtual ms: silence is noticed after 60 s. */
const settleMs = 240_000
/** How often it is looked whether they have, virtual ms. */
const lookMs = 1000
/** How long a quiet position may stay behind, virtual ms: a heartbeat or a poll is 25 s at most. */
const renewalMs = 60_000
/** What an event may take to who is live, virtual ms: latencies are tens of them. */
const promptMs = 3000
/** Share of the histories in which all stay connected for so long, virtual ms: a silence of 60 s is a dead connection. */
const undisturbed = { share: 0.25, ms: 65_000 }
/** What the last round of events may take, beside `readBackMs`, virtual ms. */
const lastRoundMs = 120_000

/** Lets a planned history happen and judges it. What it takes from the platform is its own meanwhile: one at a time a thread. */
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

/** All faults end, and nothing of them happens later. Connections that died without a word are left to be noticed. */
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

/** What it takes where each client has the whole log read back for itself, at the rate that one gateway allows, virtual ms. */
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

/** All are live: who has no dead connection has the last events soon. */
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

/** Nothing happens: no connection ends. */
async function undisturbedly(world: World): Promise<void> {
  const { time, clients } = world
  for (const client of clients) client.isUndisturbed = !isDeaf(world, client) && !mayFindNoRoom(world, client)
  await time.runTo(time.nowMs + undisturbed.ms)
  for (const client of clients) client.isUndisturbed = false
}

/** Who goes over to a better transport has three connections for a moment: one to leave, one to try, and the new one. */
function mayFindNoRoom({ plan, clients }: World, client: SimClient): boolean {
  return client.plan.ways.length > 1 && plan.size.maxSessions < 3 * clients.length
}

/** Its connection is dead, or that of another tab of its browser, which may be the one that leads. */
function isDeaf(world: World, client: SimClient): boolean {
  const { browser } = client.plan
  const tabs = browser === undefined ? [client] : world.clients.filter(({ plan }) => plan.browser === browser)
  return tabs.some(({ process }) => world.connectionsOf(process).some(({ isDead }) => isDead))
}

/** Also who is given nothing comes to stand at the head, so that its token stays fresh. */
async function untilAllAreAtTheHead({ time, verdict, clients }: World): Promise<void> {
  const deadline = time.nowMs + renewalMs
  const staleOf = () => clients.map((client) => client.stale()).find((each) => each !== undefined)
  while (verdict.failure === undefined && time.nowMs < deadline && staleOf() !== undefined) {
    await time.runTo(time.nowMs + lookMs)
  }
  const stale = staleOf()
  if (stale !== undefined) verdict.broken('fresh', stale)
}

/** What is still to come before all is quiet; undefined when it is. */
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

/** What a gateway has not read yet of a stream. */
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
  // The longest that a connection can stay unnoticed.
  await time.runTo(time.nowMs + 30_000)
  if (verdict.failure !== undefined) return
  for (const gateway of gateways) inspectEmpty(gateway, verdict)
  const left = world.cluster.unfinished?.()
  if (left !== undefined) verdict.broken('log', left)
}
