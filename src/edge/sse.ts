import { type CarillonError, errors } from '../base/errors.ts'
import { WheelTimer } from '../base/wheel.ts'
import type { Grant } from '../identity/grant.ts'
import {
  type FrameKind,
  type Outlet,
  type PositionSource,
  type Session,
  type WriteOutcome,
  writeOutcome,
} from '../session/outlet.ts'
import { comment, encodeServerFrame, idLine, openingBlock, positionBlock, retryLine } from '../wire/sse.ts'
import type { AdmissionQueue } from './admission-queue.ts'
import type { EdgeContext } from './context.ts'
import { type Exchange, type Headers, queryOf } from './exchange.ts'
import type { Connection } from './listener.ts'
import { clientError, type Handler } from './router.ts'
import { type SubscribeRequest, sseRequest } from './subscribe-request.ts'

export const ssePath = '/v1/sse'

const headers: Headers = [
  ['Content-Type', 'text/event-stream; charset=utf-8'],
  // Otherwise nginx buffers the proxied response.
  ['X-Accel-Buffering', 'no'],
]

/** Maximum length of a UTF-16 code unit in UTF-8, bytes. */
const maxUtf8Bytes = 3
/**
 * Characters of a token that is cheap enough to send with each event: about one position, or two
 * with the number of partitions. A longer token is built at most once per `idEveryMs`.
 */
const shortTokenLength = 36
const idEveryMs = 1000
/**
 * Reconnect delay that EventSource is given, ms: `least` plus a random part of `spread`, so that a
 * gateway's clients do not all reconnect at once.
 */
const retryMs = { least: 1000, spread: 3000 }
/**
 * Maximum written in one cork, bytes, without the chunk framing. uWS's cork buffer holds 16 KiB. A
 * write beyond that flushes the buffer first, and if the socket does not accept all of it, uWS
 * drops the write itself (`AsyncSocket::uncork`) in the middle of its chunk. To never overflow the
 * buffer, each write has a separate cork, outside any other cork of this socket.
 */
const maxCorkedBytes = 15 * 1024
/**
 * Heartbeats after which a socket that has accepted nothing is closed: its client is gone, or can
 * reconnect.
 */
const maxStalledHeartbeats = 2

/**
 * Serves `GET /v1/sse?subject=…` to EventSource and other readers of text/event-stream (WHATWG
 * HTML, server-sent events).
 */
export function serveSse(context: EdgeContext, doorway: AdmissionQueue): Handler {
  const joiner = new BlockJoiner()
  return (exchange, req) => {
    const grant = context.contracts.identify(req)
    const request = sseRequest(queryOf(req), req.getHeader('last-event-id'))
    doorway.admit(exchange, () => {
      const outlet = new SseOutlet(context, exchange, joiner)
      if (open(context, exchange, outlet, grant)) follow(context, outlet, request)
    })
  }
}

/** Opens the session. Returns false if the client was refused. */
function open(context: EdgeContext, exchange: Exchange, outlet: SseOutlet, grant: Grant): boolean {
  try {
    outlet.session = context.openSession(outlet, grant)
  } catch (error) {
    outlet.refuse(clientError(context, exchange, error))
    return false
  }
  exchange.onGone(() => outlet.close('lost'))
  return true
}

function follow(context: EdgeContext, outlet: SseOutlet, request: SubscribeRequest): void {
  try {
    outlet.session.start(request.subjects, request.after, request)
  } catch (error) {
    outlet.close('answered')
    outlet.refuse(clientError(context, outlet.exchange, error))
  }
}

/**
 * Puts a session's `id:` line before a block that all sessions share. Sessions that follow the
 * same partition share the id too, so the last result is kept and reused.
 */
class BlockJoiner {
  #block: Uint8Array | undefined
  #id = ''
  #joined: Uint8Array = new Uint8Array(0)

  join(id: string, block: Uint8Array): Uint8Array {
    if (block === this.#block && id === this.#id) return this.#joined
    const line = idLine(id)
    const joined = Buffer.allocUnsafe(line.length + block.length)
    joined.write(line, 0, 'latin1')
    joined.set(block, line.length)
    this.#block = block
    this.#id = id
    this.#joined = joined
    return joined
  }
}

class SseOutlet implements Outlet {
  readonly #context: EdgeContext
  readonly exchange: Exchange
  readonly #res: Connection
  readonly #joiner: BlockJoiner
  session!: Session
  #state: 'starting' | 'open' | 'closed' = 'starting'
  /**
   * True while uWS buffers data that the socket did not accept. More writes would grow that
   * buffer.
   */
  #full = false
  #stalledHeartbeats = 0
  /** Last token sent, and the time before which no further long token is sent with a delivery. */
  #id = ''
  #nextIdMs = 0
  readonly #heartbeat = new WheelTimer(() => this.#beat())
  /** Created on first use; scheduled while the client's token is older than its last delivery. */
  #renewal: WheelTimer | undefined
  // Argument and outcome of the current write. Fields, so that a write allocates no closure.
  #chunk: string | Uint8Array = ''
  #taken = true
  readonly #writeChunk = (): void => {
    this.#taken = this.#res.write(this.#chunk)
  }
  /**
   * Writes the block, then a comment that completes the block's chunk. uWS ends a chunk only when
   * the next one begins, so readers that wait for the end of a chunk (urllib3 and everything built
   * on it) would see each block one block late. The comment's own end may be late.
   */
  readonly #writeEnd = (): void => {
    this.#taken = this.#res.write(this.#chunk) && this.#res.write(comment)
  }
  readonly #drained = (): void => {
    if (this.#state === 'open' && !this.#full) this.session.drained()
  }

  constructor(context: EdgeContext, exchange: Exchange, joiner: BlockJoiner) {
    this.#context = context
    this.exchange = exchange
    this.#res = exchange.res
    this.#joiner = joiner
  }

  get transport(): 'sse' {
    return 'sse'
  }

  get encoding(): 'sse' {
    return 'sse'
  }

  get peer(): string {
    return this.exchange.peer
  }

  write(frame: Uint8Array, kind: FrameKind, after: PositionSource): WriteOutcome {
    if (this.#full || this.#state !== 'open') return writeOutcome.refused
    const id = this.#dueId(kind, after)
    return this.#send(id === '' ? frame : this.#joiner.join(id, frame)) ? writeOutcome.sent : writeOutcome.full
  }

  batch(run: () => void): void {
    // One cork for all could overflow, see `maxCorkedBytes`.
    run()
  }

  opened(): void {
    this.#state = 'open'
    this.#res.onWritable(() => this.#writable())
    const { heartbeatMs } = this.#context.options
    this.#res.cork(() => {
      this.exchange.writeHead(200, headers)
      this.#renewed(this.session.token('brief'))
      this.#send(`${this.#retry(0)}${openingBlock(this.session.token(), heartbeatMs)}`)
    })
    this.#context.wheel.schedule(this.#heartbeat, heartbeatMs)
  }

  caughtUp(): void {}

  end(error: CarillonError | undefined): void {
    const { open } = this.exchange
    const streaming = this.#state === 'open'
    this.close('answered')
    if (!open) return
    if (!streaming) {
      if (error === undefined) this.exchange.answer(204, [], '')
      else this.refuse(error)
      return
    }
    this.exchange.ended()
    // Does not use uWS's option to close the connection, which would write `Connection: close`
    // into the body.
    this.#res.cork(() => this.#res.end(error === undefined ? '' : this.#farewell(error)))
  }

  /**
   * Refuses the request. EventSource gives up permanently at any status but 200, which is right
   * for a request that can never succeed. If it can succeed later, the response is 200 with the
   * time to reconnect.
   */
  refuse(error: CarillonError): void {
    const exchange = this.exchange
    this.#context.countRefusal(error, exchange.peer)
    if (errors[error.code].retry === 'no') exchange.refuse(error)
    else exchange.answer(200, headers, this.#farewell(error), { close: true })
  }

  /** Ends the session for this transport. Does nothing when called again. */
  close(reason: 'lost' | 'answered'): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#context.wheel.cancel(this.#heartbeat)
    if (this.#renewal !== undefined) this.#context.wheel.cancel(this.#renewal)
    this.#context.closeSession(this.session, reason)
  }

  /**
   * Writes a block. Returns true if the socket accepted all of it; false if uWS buffered a part,
   * so that nothing more may be written until the socket is writable.
   */
  #send(block: string | Uint8Array): boolean {
    if (block.length * (typeof block === 'string' ? maxUtf8Bytes : 1) <= maxCorkedBytes)
      this.#cork(block, this.#writeEnd)
    else {
      // The block may be split at any byte: all parts are written, into uWS's buffer if the socket
      // is full.
      const bytes = typeof block === 'string' ? Buffer.from(block) : block
      const last = bytes.length - 1 - ((bytes.length - 1) % maxCorkedBytes)
      for (let at = 0; at < last; at += maxCorkedBytes)
        this.#cork(bytes.subarray(at, at + maxCorkedBytes), this.#writeChunk)
      this.#cork(bytes.subarray(last), this.#writeEnd)
    }
    return this.#outcome()
  }

  #sendComment(): boolean {
    this.#cork(comment, this.#writeChunk)
    return this.#outcome()
  }

  #cork(chunk: string | Uint8Array, write: () => void): void {
    this.#chunk = chunk
    this.#res.cork(write)
    this.#chunk = ''
  }

  #outcome(): boolean {
    this.#full = !this.#taken
    return this.#taken
  }

  /** Returns the id to send with this frame; '' if the client keeps its last one. */
  #dueId(kind: FrameKind, after: PositionSource): string {
    if (kind === 'delivery' && this.#id.length > shortTokenLength) {
      const now = this.#context.contracts.clock.monotonicMs()
      if (now < this.#nextIdMs) {
        this.#renewLater(this.#nextIdMs - now)
        return ''
      }
    }
    return this.#renewed(after.token('brief'))
  }

  #renewed(id: string): string {
    this.#id = id
    if (id.length > shortTokenLength) this.#nextIdMs = this.#context.contracts.clock.monotonicMs() + idEveryMs
    return id
  }

  #renewLater(ms: number): void {
    this.#renewal ??= new WheelTimer(() => this.#renew())
    if (this.#renewal.due < 0) this.#context.wheel.schedule(this.#renewal, ms)
  }

  /** Writes the id alone if it has changed. Returns false if nothing was written. */
  #renew(): boolean {
    if (this.#full) return false
    const id = this.session.token('brief')
    if (id === this.#id) return false
    this.#send(positionBlock(this.#renewed(id)))
    return true
  }

  #beat(): void {
    if (this.#full) this.#stalledHeartbeats++
    else if (!this.#renew()) this.#sendComment()
    if (this.#stalledHeartbeats === maxStalledHeartbeats) {
      this.#context.countCut('stalled', this.peer)
      this.#res.close()
      return
    }
    this.#context.wheel.schedule(this.#heartbeat, this.#context.options.heartbeatMs)
  }

  /**
   * Handles a writable socket. uWS flushes its buffer only on a write, so this writes a comment.
   */
  #writable(): boolean {
    if (this.#state !== 'open') return true
    this.#stalledHeartbeats = 0
    // The session writes in a later turn, outside uWS's own cork of this handler.
    if (this.#sendComment()) this.#context.contracts.clock.turn(this.#drained)
    return !this.#full
  }

  /** Returns the last block of a stream: the reconnect delay and the reason. */
  #farewell(error: CarillonError): string {
    const { code, message, retryAfterMs } = error
    const { retry } = errors[code]
    const block = encodeServerFrame({ kind: 'error', code, message, retry, retryAfterMs })
    return this.#retry(retryAfterMs) + Buffer.from(block.buffer, block.byteOffset, block.byteLength).toString()
  }

  /**
   * Returns the line with the delay after which EventSource reconnects; 0 ms = the random default.
   */
  #retry(ms: number): string {
    const { random } = this.#context.contracts
    return retryLine(ms || retryMs.least + random.next() * retryMs.spread)
  }
}
