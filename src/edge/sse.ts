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
  // nginx buffers a proxied response otherwise.
  ['X-Accel-Buffering', 'no'],
]

/** Of a UTF-16 unit. */
const maxUtf8Bytes = 3
/** A token of one position, or of two with the number of partitions, is hardly longer; a longer one is made at most once in `idEveryMs`. */
const shortTokenLength = 36
const idEveryMs = 1000
/** EventSource waits so long before it connects again; spread, so that a gateway's clients do not all come at once. */
const retryMs = { least: 1000, spread: 3000 }
/**
 * What is written in one cork, bytes, chunk framing beside. uWS's cork buffer holds 16 KiB: a write beyond it flushes the buffer first, and where
 * the socket does not take all of that, the write itself is dropped (`AsyncSocket::uncork`), in the middle of its chunk. So no cork may overflow:
 * each write has its own, outside of any other of this socket.
 */
const maxCorkedBytes = 15 * 1024
/** A socket that has taken nothing for so many heartbeats belongs to a client that is gone or may as well come back. */
const maxStalledHeartbeats = 2

/** `GET /v1/sse?subject=…`, for EventSource and anything else that reads text/event-stream (WHATWG HTML, server-sent events). */
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

/** False where the client was refused. */
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
 * Puts a session's `id:` line before a block that all sessions share. Where the id is shared as well, as with every session that
 * follows one partition, the result is too: the last one is kept.
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
  /** uWS has buffered what the socket did not take: more would only grow that buffer. */
  #full = false
  #stalledHeartbeats = 0
  /** The token that the client has, and when it may get the next one, if it spans partitions. */
  #id = ''
  #nextIdMs = 0
  readonly #heartbeat = new WheelTimer(() => this.#beat())
  /** Set while a client's token is older than its last delivery. */
  #renewal: WheelTimer | undefined
  // One write at a time: the fields carry its argument and outcome, so that a write makes no closure.
  #chunk: string | Uint8Array = ''
  #taken = true
  readonly #writeChunk = (): void => {
    this.#taken = this.#res.write(this.#chunk)
  }
  /**
   * uWS ends a chunk with the beginning of the next one, and readers that wait for the end of a chunk (urllib3 and all that stands on
   * it) would have each block one block late. The comment ends the block's chunk; its own end may come late.
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
    // Not in one cork: it would overflow, see `maxCorkedBytes`.
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
    // Not uWS's way to close the connection as well: it would write `Connection: close` into the middle of the body.
    this.#res.cork(() => this.#res.end(error === undefined ? '' : this.#farewell(error)))
  }

  /**
   * EventSource gives up for good at any status but 200, which is right for a request that stays wrong; one that can succeed later
   * is told when to come back.
   */
  refuse(error: CarillonError): void {
    const exchange = this.exchange
    this.#context.countRefusal(error, exchange.peer)
    if (errors[error.code].retry === 'no') exchange.refuse(error)
    else exchange.answer(200, headers, this.#farewell(error), { close: true })
  }

  /** Once: the session is over for this transport. */
  close(reason: 'lost' | 'answered'): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#context.wheel.cancel(this.#heartbeat)
    if (this.#renewal !== undefined) this.#context.wheel.cancel(this.#renewal)
    this.#context.closeSession(this.session, reason)
  }

  /** True = taken by the socket; false = taken by uWS's buffer, and nothing more until it is writable. */
  #send(block: string | Uint8Array): boolean {
    if (block.length * (typeof block === 'string' ? maxUtf8Bytes : 1) <= maxCorkedBytes)
      this.#cork(block, this.#writeEnd)
    else {
      // A block may be cut anywhere: it goes whole, into uWS's buffer where the socket is full.
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

  /** The id that goes with this frame; '' when the client is to keep the one it has. */
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

  /** Writes the id alone where it has moved; false when there was nothing to write. */
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

  /** uWS leaves flushing its buffer to this handler: a write does it, so there has to be one. */
  #writable(): boolean {
    if (this.#state !== 'open') return true
    this.#stalledHeartbeats = 0
    // What the session writes is not for uWS's own cork of this handler.
    if (this.#sendComment()) this.#context.contracts.clock.turn(this.#drained)
    return !this.#full
  }

  /** The last block of a stream: when to come back, and why. */
  #farewell(error: CarillonError): string {
    const { code, message, retryAfterMs } = error
    const { retry } = errors[code]
    const block = encodeServerFrame({ kind: 'error', code, message, retry, retryAfterMs })
    return this.#retry(retryAfterMs) + Buffer.from(block.buffer, block.byteOffset, block.byteLength).toString()
  }

  /** How long EventSource waits before it connects again. */
  #retry(ms: number): string {
    const { random } = this.#context.contracts
    return retryLine(ms || retryMs.least + random.next() * retryMs.spread)
  }
}
