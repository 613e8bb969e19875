import { addressText } from '../base/address.ts'
import { CarillonError, errors, toCarillonError } from '../base/errors.ts'
import { type LimitName, LimitReached } from '../base/limits.ts'
import { WheelEntry, WheelTimer } from '../base/wheel.ts'
import { type Outlet, type Session, type WriteOutcome, writeOutcome } from '../session/outlet.ts'
import { logFault } from '../telemetry/client-faults.ts'
import { encodeControl } from '../wire/control.ts'
import { decodeClientFrame as decodeJson } from '../wire/json.ts'
import { decodeClientFrame as decodeProto } from '../wire/proto.ts'
import { type AdmissionQueue, admissionLimits, type QueuedConnection } from './admission-queue.ts'
import type { EdgeContext } from './context.ts'
import { CpuBudget } from './cpu-budget.ts'
import { Exchange, queryOf } from './exchange.ts'
import { checkHead } from './head.ts'
import {
  abnormalClosure,
  type Connection,
  cutOf,
  type Request,
  type TemplatedApp,
  type us_socket_context_t,
  type WebSocket,
} from './listener.ts'
import { parseQuery, quote } from './query.ts'
import { checkOrigin, type Handler } from './router.ts'

export const websocketPath = '/v1/ws'

/** Encoding of frames by subprotocol name. */
const subprotocols: Readonly<Record<string, 'json' | 'proto'>> = {
  'carillon.v1.proto': 'proto',
  'carillon.v1.json': 'json',
}

/**
 * uWS accepts messages of up to this many times `maxFrameBytes`, so that the sender of a slightly
 * oversized frame receives an error frame and close code 1009. Beyond it, uWS ends the connection
 * without a close frame. The factor is low because uWS buffers incomplete messages in memory that
 * nothing here can count.
 */
const oversizeFactor = 2
/** Maximum of frames that a session may write during its handshake (`welcome`). */
const maxEarlyFrames = 16
/**
 * After this many heartbeats, a connection ends if its socket has accepted nothing, or if its
 * client has not subscribed.
 */
const maxIdleHeartbeats = 2
/** Value of `#stuckMs` while no write is known to wait. */
const notStuck = -1
/** Frames and ms that one connection may use before others have their turn. */
const slice = { frames: 8, ms: 0.25 }
/**
 * Close codes for errors that have none in base/errors.ts. RFC 6455 reserves 3000-3999 for
 * libraries and applications.
 */
const closeForGood = 3500
const closeForNow = 3000
/** Limits that a client can reach only by what it sends itself. */
const ofSender: ReadonlySet<LimitName> = new Set([
  'maxFrameBytes',
  'maxWaitingFrameBytes',
  'refusedFrames',
  'waitingFrames',
])

/**
 * uWS copies these properties to its WebSocket object. The outlet is a property because its
 * private fields would not survive such a copy.
 */
interface UserData {
  readonly outlet: WebSocketOutlet
}

/** Registers `GET /v1/ws`. A request without an upgrade falls through to `upgradeRequired`. */
export function serveWebSocket(app: TemplatedApp, context: EdgeContext, doorway: AdmissionQueue): void {
  const transport = new WebSocketTransport(context, doorway)
  app.ws<UserData>(websocketPath, {
    maxPayloadLength: oversizeFactor * context.options.maxFrameBytes,
    maxBackpressure: context.options.maxBackpressureBytes,
    closeOnBackpressureLimit: false,
    idleTimeout: idleTimeoutSeconds(context.options.heartbeatMs),
    // uWS sends all due pings in one go every four seconds, and would delay every live event.
    sendPingsAutomatically: false,
    upgrade: (res, req, native) => transport.upgrade(res, req, native),
    open: (ws) => transport.open(ws),
    message: (ws, message, binary) => transport.message(ws.getUserData().outlet, message, binary ? 'binary' : 'text'),
    drain: (ws) => ws.getUserData().outlet.drainedSoon(),
    close: (ws, code, reason) => transport.close(ws.getUserData().outlet, code, reason),
  })
}

/** Refuses `GET /v1/ws` without an upgrade. */
export const upgradeRequired: Handler = () => {
  throw new CarillonError(
    'bad_request',
    `expected a WebSocket upgrade (RFC 6455) for ${websocketPath}, got a plain GET`,
  )
}

/**
 * Returns the silence in seconds after which uWS closes a socket. It is longer than the heartbeat,
 * so that a client has time to answer a ping. With a heartbeat of 25 s, a silent socket is pinged
 * after 25 s and closed some 16 s later. uWS counts in steps of 4 s and may be one step early; a
 * client still has at least 4 s to answer. uWS accepts at most 960 s.
 */
export function idleTimeoutSeconds(heartbeatMs: number): number {
  const heartbeat = Math.floor(heartbeatMs / 1000)
  return Math.min(960, heartbeat + (heartbeat >= 16 ? 16 : 8))
}

class WebSocketTransport {
  readonly #context: EdgeContext
  readonly #doorway: AdmissionQueue
  readonly #early: Uint8Array[] = []

  constructor(context: EdgeContext, doorway: AdmissionQueue) {
    this.#context = context
    this.#doorway = doorway
  }

  /**
   * Opens the session before the upgrade, so that a refusal is an HTTP response. uWS runs `open`
   * before `res.upgrade` returns. An upgrade does not wait in the doorway: outside uWS's own call
   * it would need a cork, and if the WebSocket keeps the memory of the HTTP response,
   * `HttpResponse::cork` mistakes it for that response and sometimes closes it.
   */
  upgrade(res: Connection, req: Request, native: us_socket_context_t): void {
    const exchange = new Exchange(res, req)
    try {
      checkHead(exchange, req)
      checkOrigin(this.#context, exchange, req)
      parseQuery(queryOf(req), [])
      const grant = this.#context.contracts.identify(req)
      const protocol = chooseSubprotocol(req.getHeader('sec-websocket-protocol'))
      this.#early.length = 0
      const encoding = protocol === undefined ? 'json' : subprotocols[protocol]!
      const outlet = new WebSocketOutlet(encoding, this.#context, this.#doorway, this.#early)
      outlet.session = this.#context.openSession(outlet, grant)
      exchange.ended()
      // uWS's filter reports +1 for a connection that is upgraded, but never -1.
      this.#context.counters.httpConnections--
      this.#context.counters.websockets++
      res.upgrade<UserData>({ outlet }, req.getHeader('sec-websocket-key'), protocol ?? '', '', native)
    } catch (error) {
      this.#doorway.admit(exchange, () => {
        throw error
      })
    }
  }

  open(ws: WebSocket<UserData>): void {
    const { outlet } = ws.getUserData()
    outlet.connected(ws)
    for (const frame of this.#early) outlet.write(frame)
    this.#early.length = 0
  }

  message(outlet: WebSocketOutlet, message: ArrayBuffer, got: 'binary' | 'text'): void {
    outlet.heard()
    const { maxFrameBytes } = this.#context.options
    if (message.byteLength > maxFrameBytes) {
      const problem = `expected a frame of at most ${maxFrameBytes} bytes, got ${message.byteLength}`
      outlet.receive(new LimitReached('maxFrameBytes', 'frame_too_large', problem))
      return
    }
    const expected = outlet.binary ? 'binary' : 'text'
    if (got !== expected) {
      const problem = `expected ${expected} frames on this subprotocol, got a ${got} frame`
      outlet.receive(new CarillonError('bad_frame', problem))
      return
    }
    outlet.receive(message)
  }

  close(outlet: WebSocketOutlet, code: number, reason: ArrayBuffer): void {
    const cut = cutOf(code, reason)
    if (cut === 'too large') this.#context.countCut('maxFrameBytes', outlet.peer)
    if (cut !== undefined) this.#context.penalties.cut(outlet.peer)
    outlet.gone()
    this.#context.counters.websockets--
    this.#context.closeSession(outlet.session, code === abnormalClosure ? 'lost' : 'client')
  }
}

/**
 * Returns the first supported subprotocol in the client's order, or undefined if it requests none.
 * Throws `unsupported_subprotocol` if none of them is supported.
 */
function chooseSubprotocol(header: string): string | undefined {
  if (header === '') return undefined
  const requested = header.split(',').map((name) => name.trim())
  const chosen = requested.find((name) => Object.hasOwn(subprotocols, name))
  if (chosen !== undefined) return chosen
  const supported = Object.keys(subprotocols).join(', ')
  throw new CarillonError('unsupported_subprotocol', `expected ${supported} or no subprotocol, got ${quote(header)}`)
}

/** The outlet of one WebSocket. The timing wheel runs its heartbeat. */
class WebSocketOutlet extends WheelEntry implements Outlet, QueuedConnection {
  readonly encoding: 'json' | 'proto'
  readonly binary: boolean
  session!: Session
  /** The client's address. Kept here because uWS returns it only while the socket is open. */
  peer = ''
  /** Undefined before the handshake completes and after the socket has closed. */
  ws: WebSocket<UserData> | undefined = undefined
  /** True while a call of `session.drained` is scheduled. */
  #draining = false
  /**
   * Times of the completed handshake and of the last frame received, ms on the monotonic clock.
   */
  #openedMs = 0
  #heardMs = 0
  /**
   * Time since which a write has waited without progress, ms; `notStuck` if none is known to wait.
   * Measured here because uWS's `getBufferedAmount` always returns 0.
   */
  #stuckMs = notStuck
  queued = false
  waitingBytes = 0
  /** Depth of nested corks, and the close to carry out after the outermost one. */
  #corks = 0
  #farewell: readonly [code: number, reason: string] | undefined
  readonly #context: EdgeContext
  readonly #doorway: AdmissionQueue
  readonly #early: Uint8Array[]
  /**
   * Unhandled frames in order of arrival, undecoded; an error replaces a frame that can't be read.
   */
  #waiting: (Uint8Array | CarillonError)[] = []
  readonly #allowance = new CpuBudget()
  /** Set while the connection has used up its CPU budget. */
  #rest: WheelTimer | undefined

  constructor(encoding: 'json' | 'proto', context: EdgeContext, doorway: AdmissionQueue, early: Uint8Array[]) {
    super()
    this.encoding = encoding
    this.binary = encoding === 'proto'
    this.#context = context
    this.#doorway = doorway
    this.#early = early
  }

  /** Queues a frame of any kind, or an error in its place, in order of arrival. */
  receive(frame: ArrayBuffer | CarillonError): void {
    const bytes = frame instanceof CarillonError ? 0 : frame.byteLength
    if (!this.#doorway.takes(this, admissionLimits.frameBytes + bytes)) return
    // uWS reuses the memory once its call returns.
    this.#waiting.push(frame instanceof CarillonError ? frame : new Uint8Array(frame.slice(0)))
    if (this.#rest === undefined) this.#doorway.call(this)
  }

  run(): boolean {
    let waitMs = 0
    const { ws } = this
    if (ws === undefined) return false
    this.#cork(ws, () => {
      waitMs = this.#handleSome()
    })
    if (this.#waiting.length === 0) return false
    if (waitMs > 0) this.#restFor(waitMs)
    return waitMs === 0
  }

  gone(): void {
    this.ws = undefined
    const { wheel } = this.#context
    wheel.cancel(this)
    if (this.#rest !== undefined) wheel.cancel(this.#rest)
    this.#waiting = []
    this.#doorway.taken(this, this.waitingBytes)
  }

  sendAway(error: CarillonError): void {
    this.#waiting = []
    this.session.refuse(error)
  }

  /** Handles one slice of the frames. Returns the ms to wait before the next slice. */
  #handleSome(): number {
    const { clock } = this.#context.contracts
    let nowMs = clock.monotonicMs()
    const endMs = nowMs + slice.ms
    let handled = 0
    let waitMs = this.#allowance.waitMs(nowMs)
    while (waitMs === 0 && handled < slice.frames && handled < this.#waiting.length) {
      const frame = this.#waiting[handled++]!
      this.#doorway.taken(this, costOf(frame))
      this.#handle(frame)
      // The frame may have ended the session, which dropped all waiting frames.
      if (this.ws === undefined) return 0
      const beganMs = nowMs
      nowMs = clock.monotonicMs()
      this.#allowance.use(nowMs - beganMs, nowMs)
      waitMs = this.#allowance.waitMs(nowMs)
      if (nowMs >= endMs) break
    }
    this.#waiting.splice(0, handled)
    return waitMs
  }

  #restFor(ms: number): void {
    this.#rest = new WheelTimer(() => {
      this.#rest = undefined
      this.#doorway.call(this)
    })
    this.#context.wheel.schedule(this.#rest, ms)
  }

  #handle(frame: Uint8Array | CarillonError): void {
    try {
      if (frame instanceof CarillonError) throw frame
      this.session.receive(this.binary ? decodeProto(frame) : decodeJson(frame))
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Reports a client's mistake to the client. A fault of the gateway ends only this session. */
  #fail(thrown: unknown): void {
    const error = toCarillonError(thrown)
    if (error.code !== 'internal') {
      this.session.refuse(error)
      return
    }
    logFault(this.#context.contracts.logger, 'a frame could not be handled', {
      session: this.session.id,
      error: thrown,
    })
    this.end(error)
  }

  get transport(): 'websocket' {
    return 'websocket'
  }

  write(frame: Uint8Array): WriteOutcome {
    if (this.ws === undefined) return this.#writeEarly(frame)
    // uWS numbers its outcomes as writeOutcome does.
    const outcome = this.ws.send(frame, this.binary, false) as WriteOutcome
    if (outcome !== writeOutcome.sent && this.#stuckMs === notStuck) this.#stuckMs = this.#nowMs
    return outcome
  }

  /**
   * Calls `session.drained` in a later turn, not within uWS's own call. If a large frame filled
   * the socket within that call, uWS would not poll it for writability again (us_socket_write2
   * does not record the failed write), and the session would never continue.
   */
  drainedSoon(): void {
    this.#stuckMs = notStuck
    if (this.#draining) return
    this.#draining = true
    this.#context.contracts.clock.turn(() => {
      this.#draining = false
      if (this.ws !== undefined) this.session.drained()
    })
  }

  batch(run: () => void): void {
    if (this.ws === undefined) run()
    else this.#cork(this.ws, run)
  }

  opened(): void {}

  connected(ws: WebSocket<UserData>): void {
    this.ws = ws
    this.peer = addressText(ws.getRemoteAddress())
    this.heard()
    this.#openedMs = this.#heardMs
    this.#context.wheel.schedule(this, this.#context.options.heartbeatMs)
  }

  heard(): void {
    this.#heardMs = this.#nowMs
  }

  get #nowMs(): number {
    return this.#context.contracts.clock.monotonicMs()
  }

  /** Heartbeat: pings a silent client, and ends a stalled or unsubscribed connection. */
  task(): void {
    const { options, wheel } = this.#context
    if (this.#isStuck()) {
      this.#context.countCut('stalled', this.peer)
      this.ws?.close()
      return
    }
    const patienceMs = maxIdleHeartbeats * options.heartbeatMs
    if (!this.session.subscribed && this.#nowMs - this.#openedMs >= patienceMs) {
      const problem = `expected a subscription within ${patienceMs} ms; connect again when you want to subscribe`
      this.session.end(new LimitReached('unsubscribed', 'request_timeout', problem))
      return
    }
    const leftMs = this.#heardMs + options.heartbeatMs - this.#nowMs
    if (leftMs <= 0) this.ws?.ping()
    wheel.schedule(this, leftMs <= 0 ? options.heartbeatMs : leftMs)
  }

  /**
   * True if data has waited for the socket without progress for `maxIdleHeartbeats`: the client no
   * longer reads, even if it still sends.
   */
  #isStuck(): boolean {
    if (this.#stuckMs === notStuck) return false
    return this.#nowMs - this.#stuckMs >= maxIdleHeartbeats * this.#context.options.heartbeatMs
  }

  caughtUp(): void {}

  end(error: CarillonError | undefined): void {
    const { ws } = this
    if (ws === undefined) return
    if (error === undefined) {
      this.#close(1000, '')
      return
    }
    const { code, message, retryAfterMs } = error
    const { retry } = errors[code]
    const isCut = error instanceof LimitReached && ofSender.has(error.limit)
    if (isCut) this.#context.penalties.cut(this.peer)
    ws.send(encodeControl(this.encoding, { kind: 'error', code, message, retry, retryAfterMs }), this.binary, false)
    // A client that does not read never sees the close frame, and uWS would keep reading from it.
    const isDeaf = isCut && this.#stuckMs !== notStuck
    this.#close(isDeaf ? abnormalClosure : closeCode(error), code)
  }

  /**
   * Closes the socket, after the outermost cork if there is one. After a close within a cork, uWS
   * sends no FIN, and the client would wait for it until uWS gives up the socket.
   */
  #close(code: number, reason: string): void {
    if (this.#corks > 0) this.#farewell = [code, reason]
    else if (code === abnormalClosure) this.ws?.close()
    else this.ws?.end(code, reason)
  }

  #cork(ws: WebSocket<UserData>, run: () => void): void {
    this.#corks++
    ws.cork(run)
    if (--this.#corks > 0 || this.#farewell === undefined) return
    const [code, reason] = this.#farewell
    this.#farewell = undefined
    this.#close(code, reason)
  }

  #writeEarly(frame: Uint8Array): WriteOutcome {
    if (this.#early.length === maxEarlyFrames) return writeOutcome.refused
    this.#early.push(frame.slice())
    return writeOutcome.sent
  }
}

function closeCode({ code }: CarillonError): number {
  const { close, retry } = errors[code]
  if (close !== 0) return close
  return retry === 'no' ? closeForGood : closeForNow
}

/** Returns the bytes that a waiting frame counts for. */
function costOf(frame: Uint8Array | CarillonError): number {
  return admissionLimits.frameBytes + (frame instanceof CarillonError ? 0 : frame.length)
}
