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

/** The running listener for clients. */
export interface Edge {
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string
  readonly port: number
  readonly counters: Readonly<EdgeCounters>
  /** Number of connections that the file descriptors allow. */
  readonly maxConnections: number
  /** True while no connections are accepted because descriptors are used up. */
  readonly paused: boolean
  /** Starts a graceful end: accepts no connections, and no sessions on open connections. */
  stop(): void
  /**
   * Stops, waits up to `deadlineMs` until the host has ended its sessions and publish requests are
   * answered, then closes the remaining connections. The process must not exit before this
   * resolves, because uWS would abort it.
   */
  close(deadlineMs: number): Promise<void>
}

/** Interval at which a closing edge checks whether it is idle, ms. */
const idleCheckMs = 10
/** Time for the last bytes to be sent before connections are cut, ms. */
const lingerMs = 50

/**
 * Starts the edge. Throws `listen_failed` if the port is taken or the TLS files can't be used.
 * Also opens the Unix socket of `local`; if that fails, the gateway serves without it and logs a
 * warning.
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
    const problem = `${error.message}: commands on this host can't publish to a gateway that listens beyond the loopback`
    contracts.logger.every({ key: 'local', ms: 1 }, 'warn', problem)
    return undefined
  }
}

/**
 * Holds the doorway until the streams are known. Called before anything is read from a connection.
 */
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

/**
 * Counts connections before they have sent a byte, closes those above the limit, and queues the
 * others.
 */
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
