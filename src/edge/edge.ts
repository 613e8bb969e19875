import { addressText } from '../base/address.ts'
import { CarillonError } from '../base/errors.ts'
import { TimingWheel } from '../base/wheel.ts'
import { Pump } from '../session/pump.ts'
import { AcceptGuard } from './accept-guard.ts'
import { AcceptThrottle, acceptsPerTurn } from './accept-throttle.ts'
import { AdmissionQueue } from './admission-queue.ts'
import { EdgeContext, type EdgeContracts, type EdgeCounters } from './context.ts'
import { type Listener, makeListener } from './listener.ts'
import { type LocalAccess, openLocal } from './local.ts'
import type { EdgeOptions } from './options.ts'
import { pageRoutes } from './page.ts'
import { pollPath, servePoll, servePollBody } from './poll.ts'
import { publishPath, servePublish } from './publish.ts'
import { type Route, Router } from './router.ts'
import { serveSse, ssePath } from './sse.ts'
import { serveWebSocket, upgradeRequired, websocketPath } from './websocket.ts'

/** The listener for clients, running. */
export interface Edge {
  /** `http://127.0.0.1:8080` */
  readonly url: string
  readonly port: number
  readonly counters: Readonly<EdgeCounters>
  /** As many as descriptors allow. */
  readonly maxConnections: number
  /** No connections are taken now, for want of descriptors. */
  readonly paused: boolean
  /** No further connections, and no further sessions on those that are open: the start of a graceful end. */
  stop(): void
  /**
   * Stops, waits up to `deadlineMs` for sessions to be ended by their host and publish requests to be answered, then closes what is
   * left. The process can exit once this has resolved, and not before: uWS aborts it otherwise.
   */
  close(deadlineMs: number): Promise<void>
}

/** How often a closing edge looks whether it is idle, ms. */
const idleCheckMs = 10
/** Last bytes are given so long to leave before connections are cut, ms. */
const lingerMs = 50

/**
 * Listens. Throws `listen_failed` when the port is taken or the TLS files are of no use. `local` is opened beside it where the system has such
 * sockets: without it the gateway serves all the same, and says so in its log.
 */
export async function startEdge(options: EdgeOptions, contracts: EdgeContracts, local?: LocalAccess): Promise<Edge> {
  const context = new EdgeContext(options, contracts, new TimingWheel(contracts.clock))
  const listener = await makeListener(options)
  const accepting = new AcceptGuard(listener, context)
  try {
    limitConnections(listener, context, accepting)
    const doorway = new AdmissionQueue(context, new Pump(context.contracts.clock))
    register(listener, context, doorway)
    listener.listen(options.port)
    accepting.start()
    holdUntilKnown(doorway, context)
    const beside =
      local && (await openBeside(context, doorway, local, (each) => limitConnections(each, context, accepting)))
    return new RunningEdge([listener, ...(beside === undefined ? [] : [beside])], context, accepting)
  } catch (error) {
    context.close()
    accepting.stop()
    listener.close()
    throw error
  }
}

async function openBeside(...given: Parameters<typeof openLocal>): Promise<Listener | undefined> {
  try {
    return await openLocal(...given)
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error
    const [{ contracts }] = given
    const said = `${error.message}: commands on this host can't publish to a gateway that listens beyond the loopback`
    contracts.logger.every({ key: 'local', ms: 1 }, 'warn', said)
    return undefined
  }
}

/** Nothing has been read from a connection before. */
function holdUntilKnown(doorway: AdmissionQueue, context: EdgeContext): void {
  doorway.hold()
  context.onClose(context.contracts.whenKnown(() => doorway.open()))
  context.onClose(() => doorway.open())
}

function register(listener: Listener, context: EdgeContext, doorway: AdmissionQueue): void {
  const routes: Route[] = [
    { path: websocketPath, methods: { GET: upgradeRequired } },
    { path: ssePath, methods: { GET: serveSse(context, doorway) } },
    { path: pollPath, methods: { GET: servePoll(context, doorway), POST: servePollBody(context, doorway) } },
    { path: publishPath, methods: { POST: servePublish(context) } },
    ...pageRoutes(context),
  ]
  const router = new Router(context, doorway, routes)
  serveWebSocket(listener.app, context, doorway)
  listener.app.any('/*', (res, req) => router.handle(res, req))
}

/** Counts connections before they have sent a byte, closes those over the limit, and has the others take their turn. */
function limitConnections(listener: Listener, context: EdgeContext, accepting: AcceptGuard): void {
  const { contracts, counters, options } = context
  const perTurn = listener.tls ? acceptsPerTurn.tls : acceptsPerTurn.plain
  const arrivals = new AcceptThrottle(contracts.clock, perTurn)
  listener.onConnection((res, change) => {
    counters.httpConnections += change
    if (change < 0) return
    accepting.came(res)
    if (counters.httpConnections <= options.maxHttpConnections) {
      if (!context.penalties.holds(res)) arrivals.add(res)
      return
    }
    context.countCut('maxHttpConnections', addressText(res.getRemoteAddress()))
    res.close()
  })
}

class RunningEdge implements Edge {
  readonly url: string
  readonly port: number
  readonly #listeners: readonly Listener[]
  readonly #context: EdgeContext
  readonly #accepting: AcceptGuard

  /** Clients connect to the first one. */
  constructor(listeners: readonly [Listener, ...Listener[]], context: EdgeContext, accepting: AcceptGuard) {
    const [listener] = listeners
    this.#listeners = listeners
    this.#accepting = accepting
    this.#context = context
    this.port = listener.port
    const host = listener.host.includes(':') ? `[${listener.host}]` : listener.host
    this.url = `${listener.tls ? 'https' : 'http'}://${host}:${listener.port}`
  }

  get counters(): EdgeCounters {
    return this.#context.counters
  }

  get maxConnections(): number {
    return this.#context.contracts.descriptors.forClients
  }

  get paused(): boolean {
    return this.#accepting.paused
  }

  stop(): void {
    this.#context.close()
    this.#accepting.stop()
    for (const listener of this.#listeners) listener.pause()
  }

  async close(deadlineMs: number): Promise<void> {
    this.stop()
    const { clock } = this.#context.contracts
    const deadline = clock.monotonicMs() + deadlineMs
    while (!this.#context.idle && clock.monotonicMs() < deadline) await this.#pause(idleCheckMs)
    await this.#pause(Math.max(0, Math.min(lingerMs, deadline - clock.monotonicMs())))
    for (const listener of this.#listeners) listener.close()
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#context.contracts.clock.after(ms, resolve)
    })
  }
}
