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

/** Subprotocol names, and how frames look under each. */
const subprotocols: Readonly<Record<string, 'json' | 'proto'>> = {
  'carillon.v1.proto': 'proto',
  'carillon.v1.json': 'json',
}

/**
 * Up to so many times the limit a frame is still taken in, so that its sender is answered (an error frame, then 1009); beyond, uWS ends the
 * connection with no close frame. No more: uWS keeps what has come of a message that is not complete, where nothing can count it.
 */
const oversizeFactor = 2
/** Frames that a session writes while its handshake runs (`welcome`). */
const maxEarlyFrames = 16
/** A socket that has taken nothing for so many heartbeats, or whose client has not subscribed, is ended. */
const maxIdleHeartbeats = 2
/** A socket that takes what it is given. */
const notStuck = -1
/** Of one connection, before others have their turn. */
const slice = { frames: 8, ms: 0.25 }
/** Closing a connection over an error that has no close code of its own: RFC 6455's private range, see base/errors.ts. */
const closeForGood = 3500
const closeForNow = 3000
/** Limits that a client reaches by what it sends, and nobody else's doing. */
const ofSender: ReadonlySet<LimitName> = new Set([
  'maxFrameBytes',
  'maxWaitingFrameBytes',
  'refusedFrames',
  'waitingFrames',
])

/** uWS copies its properties to the WebSocket object itself, so the outlet, which has private fields, is one of them. */
interface UserData {
  readonly outlet: WebSocketOutlet
}

/** `GET /v1/ws`. Registers the upgrade; a request without one goes on to `upgradeRequired`. */
export function serveWebSocket(app: TemplatedApp, context: EdgeContext, doorway: AdmissionQueue): void {
  const transport = new WebSocketTransport(context, doorway)
  app.ws<UserData>(websocketPath, {
    maxPayloadLength: oversizeFactor * context.options.maxFrameBytes,
    maxBackpressure: context.options.maxBackpressureBytes,
    closeOnBackpressureLimit: false,
    idleTimeout: idleTimeoutSeconds(context.options.heartbeatMs),
    // uWS pings all whose time has come in each four seconds in one go: every live event would wait for them.
    sendPingsAutomatically: false,
    upgrade: (res, req, native) => transport.upgrade(res, req, native),
    open: (ws) => transport.open(ws),
    message: (ws, message, binary) => transport.message(ws.getUserData().outlet, message, binary ? 'binary' : 'text'),
    drain: (ws) => ws.getUserData().outlet.drainedSoon(),
    close: (ws, code, reason) => transport.close(ws.getUserData().outlet, code, reason),
  })
}

/** Answers `GET /v1/ws` without an upgrade. */
export const upgradeRequired: Handler = () => {
  throw new CarillonError(
    'bad_request',
    `expected a WebSocket upgrade (RFC 6455) for ${websocketPath}, got a plain GET`,
  )
}

/**
 * When uWS closes a socket from which nothing has come, an answer to a ping neither: 25 s of silence are pinged and some 16 s later the
 * socket is gone. uWS counts in steps of 4 s and may be one early, so that there are 4 s at least to answer. 960 s are the most it takes.
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
   * The session is opened first, so that a refusal is an HTTP answer. uWS runs `open` before `upgrade` returns. Not through the doorway: an upgrade
   * outside of uWS's own call has to be corked, and `HttpResponse::cork` takes a WebSocket whose memory could stay where it was for the HTTP
   * response of before, and now and then closes it.
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
      // uWS's filter counts an upgraded connection in, but not out.
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
      const said = `expected a frame of at most ${maxFrameBytes} bytes, got ${message.byteLength}`
      outlet.receive(new LimitReached('maxFrameBytes', 'frame_too_large', said))
      return
    }
    const expected = outlet.binary ? 'binary' : 'text'
    if (got !== expected) {
      const said = `expected ${expected} frames on this subprotocol, got a ${got} one`
      outlet.receive(new CarillonError('bad_frame', said))
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

/** The first of the client's own order that is spoken here; undefined when it asks for none. Throws `unsupported_subprotocol`. */
function chooseSubprotocol(header: string): string | undefined {
  if (header === '') return undefined
  const asked = header.split(',').map((name) => name.trim())
  const chosen = asked.find((name) => Object.hasOwn(subprotocols, name))
  if (chosen !== undefined) return chosen
  const spoken = Object.keys(subprotocols).join(', ')
  throw new CarillonError('unsupported_subprotocol', `expected ${spoken} or no subprotocol, got ${quote(header)}`)
}

/** In the wheel for its heartbeat. */
class WebSocketOutlet extends WheelEntry implements Outlet, QueuedConnection {
  readonly encoding: 'json' | 'proto'
  readonly binary: boolean
  session!: Session
  /** uWS says it only while the socket is open. */
  peer = ''
  /** Undefined before the handshake is through and after the socket has closed. */
  ws: WebSocket<UserData> | undefined = undefined
  /** The session is about to be told that it can write again. */
  #draining = false
  /** When the handshake was through, and when a frame came last, ms on the monotonic clock. */
  #openedMs = 0
  #heardMs = 0
  /** Since when a write has been waiting and nothing has gone; `notStuck` where none is known to wait. uWS's `getBufferedAmount` says 0 all the time. */
  #stuckMs = notStuck
  queued = false
  waitingBytes = 0
  /** How many corks it is in, and how it is to be closed behind the last one. */
  #corks = 0
  #farewell: readonly [code: number, reason: string] | undefined
  readonly #context: EdgeContext
  readonly #doorway: AdmissionQueue
  readonly #early: Uint8Array[]
  /** Frames that came and were not handled yet, as they came, and errors in place of those that can't be read. */
  #waiting: (Uint8Array | CarillonError)[] = []
  readonly #allowance = new CpuBudget()
  /** Set while it has used up its allowance. */
  #rest: WheelTimer | undefined

  constructor(encoding: 'json' | 'proto', context: EdgeContext, doorway: AdmissionQueue, early: Uint8Array[]) {
    super()
    this.encoding = encoding
    this.binary = encoding === 'proto'
    this.#context = context
    this.#doorway = doorway
    this.#early = early
  }

  /** It waits for its turn, in order, whatever it is. */
  receive(frame: ArrayBuffer | CarillonError): void {
    const bytes = frame instanceof CarillonError ? 0 : frame.byteLength
    if (!this.#doorway.takes(this, admissionLimits.frameBytes + bytes)) return
    // uWS takes the memory back when its call returns.
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

  /** One slice. Returns how long the next one has to wait, ms. */
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
      // It may have ended the session, and with it all that waits.
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

  /** What is wrong with a frame is the client's to know; a fault of ours ends this session and no other. */
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
   * Not from within uWS's own call: it forgets to wait for a socket again that a large frame fills there (us_socket_write2
   * does not note the failed write), and the session would never hear of it.
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

  /** Its heartbeat: a client that has been silent for so long is pinged, and one that only takes up room has to go. */
  task(): void {
    const { options, wheel } = this.#context
    if (this.#isStuck()) {
      this.#context.countCut('stalled', this.peer)
      this.ws?.close()
      return
    }
    const patienceMs = maxIdleHeartbeats * options.heartbeatMs
    if (!this.session.subscribed && this.#nowMs - this.#openedMs >= patienceMs) {
      const said = `expected a subscription within ${patienceMs} ms; connect again when you have one to make`
      this.session.end(new LimitReached('unsubscribed', 'request_timeout', said))
      return
    }
    const leftMs = this.#heardMs + options.heartbeatMs - this.#nowMs
    if (leftMs <= 0) this.ws?.ping()
    wheel.schedule(this, leftMs <= 0 ? options.heartbeatMs : leftMs)
  }

  /** Nothing that waits for the socket has gone for so long that its client reads no more, whatever it sends. */
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
    // Who reads nothing does not see that it is closed, and uWS would read on for as long as it sends.
    const isDeaf = isCut && this.#stuckMs !== notStuck
    this.#close(isDeaf ? abnormalClosure : closeCode(error), code)
  }

  /** Not within a cork, after which uWS sends no FIN: its client would wait for it until uWS gives the socket up. */
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

/** What a frame that waits takes. */
function costOf(frame: Uint8Array | CarillonError): number {
  return admissionLimits.frameBytes + (frame instanceof CarillonError ? 0 : frame.length)
}
