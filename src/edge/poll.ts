import { type CarillonError, errors } from '../base/errors.ts'
import { WheelTimer } from '../base/wheel.ts'
import type { Grant } from '../identity/grant.ts'
import { maxRequestBytes } from '../session/limits.ts'
import { type FrameKind, type Outlet, type Session, type WriteOutcome, writeOutcome } from '../session/outlet.ts'
import type { AdmissionQueue } from './admission-queue.ts'
import { readBody } from './body.ts'
import type { EdgeContext } from './context.ts'
import { type Exchange, jsonType, queryOf } from './exchange.ts'
import { jsonBody, mediaType } from './media.ts'
import type { EdgeOptions } from './options.ts'
import { parseQuery } from './query.ts'
import { type Handler, refuse } from './router.ts'
import { type PollRequest, pollRequest, pollRequestFromJson } from './subscribe-request.ts'

export const pollPath = '/v1/poll'

/**
 * Minimum wait of a poll that names a position, ms. The events that it missed may have to be read
 * from the broker.
 */
const leastWaitMs = 250

const comma = Buffer.from(',')

/** Serves `GET /v1/poll?subject=…[&after=…][&wait=…][&until=live]`. */
export function servePoll(context: EdgeContext, doorway: AdmissionQueue): Handler {
  return (exchange, req) => {
    const grant = context.contracts.identify(req)
    const request = pollRequest(queryOf(req))
    doorway.admit(exchange, () => poll(context, exchange, request, grant))
  }
}

/**
 * Serves `POST /v1/poll`: the same request as JSON, for more subjects or tokens than fit in a URL.
 */
export function servePollBody(context: EdgeContext, doorway: AdmissionQueue): Handler {
  return async (exchange, req) => {
    context.admit()
    parseQuery(queryOf(req), [])
    const grant = context.contracts.identify(req)
    mediaType(req, ['application/json'])
    const body = await readBody(context, { exchange, req, maxBytes: maxBytesOf(context.options) })
    if (body === undefined) return
    const request = pollRequestFromJson(jsonBody(body))
    doorway.admit(exchange, () => poll(context, exchange, request, grant))
  }
}

/**
 * Returns the maximum size of a request's body, bytes. Anyone may send one, and it is parsed in
 * one go.
 */
const maxBytesOf = (options: EdgeOptions): number => Math.min(options.maxBodyBytes, maxRequestBytes(options))

function poll(context: EdgeContext, exchange: Exchange, request: PollRequest, grant: Grant): void {
  const outlet = new PollOutlet(context, exchange, request)
  outlet.session = context.openSession(outlet, grant)
  exchange.onGone(() => outlet.close('lost'))
  try {
    outlet.session.start(request.subjects, request.after, request)
  } catch (error) {
    outlet.close('answered')
    throw error
  }
}

/** The outlet of a poll: one answer with all frames of the turn in which the first one arrived. */
class PollOutlet implements Outlet {
  readonly #context: EdgeContext
  readonly #exchange: Exchange
  readonly #waitMs: number
  readonly #untilLive: boolean
  /** True if the request has no position and no `last`: the answer is only a position. */
  readonly #isFirst: boolean
  session!: Session
  #closed = false
  /**
   * Position of the answer; until then, the session's start position; '' before the session
   * begins. Not updated with each frame: a client's token may have a thousand positions.
   */
  #after = ''
  /**
   * True if the frames include everything that was missed. Without it, an empty answer may also
   * mean that the broker has not delivered the events yet.
   */
  #live = false
  #frames: Uint8Array[] = []
  #bytes = 0
  readonly #answer = (): void => this.#answerNow()
  readonly #wait = new WheelTimer(this.#answer)

  /** Copies what it needs, so that a waiting poll does not keep its request in memory. */
  constructor(context: EdgeContext, exchange: Exchange, { after, last, waitMs, untilLive }: PollRequest) {
    this.#context = context
    this.#exchange = exchange
    this.#waitMs = waitMs
    this.#untilLive = untilLive
    this.#isFirst = after.length === 0 && last === undefined
  }

  get transport(): 'poll' {
    return 'poll'
  }

  get encoding(): 'json' {
    return 'json'
  }

  get peer(): string {
    return this.#exchange.peer
  }

  write(frame: Uint8Array, kind: FrameKind): WriteOutcome {
    const { maxPollFrames, maxPollBytes } = this.#context.options
    if (this.#closed) return writeOutcome.refused
    // Gaps always fit: if an answer held only some of the gaps that a token calls for, its
    // position would call for all of them again.
    const isBounded = kind === 'delivery'
    const isTooMuch = this.#frames.length > 0 && this.#bytes + frame.length > maxPollBytes
    if (isBounded && isTooMuch) return writeOutcome.refused
    // Frames of one turn share an answer. They are copied: the session may reuse a frame's memory.
    if (this.#frames.length === 0) queueMicrotask(this.#answer)
    this.#frames.push(frame.slice())
    this.#bytes += frame.length
    return isBounded && this.#frames.length >= maxPollFrames ? writeOutcome.full : writeOutcome.sent
  }

  batch(run: () => void): void {
    run()
  }

  opened(): void {
    this.#after = this.session.token()
    this.#live = this.#isFirst
    if (this.#live) queueMicrotask(this.#answer)
    else this.#context.wheel.schedule(this.#wait, Math.max(leastWaitMs, this.#waitMs))
  }

  caughtUp(): void {
    this.#live = true
    if (this.#untilLive || this.#waitMs <= leastWaitMs) queueMicrotask(this.#answer)
  }

  end(error: CarillonError | undefined): void {
    if (this.#closed) return
    const answerable = this.#after !== '' && (error === undefined || errors[error.code].retry === 'later')
    this.close('answered')
    if (answerable) this.#sendAway()
    else if (error === undefined) this.#exchange.answer(204, [], '')
    else refuse(this.#context, this.#exchange, error)
  }

  /** Ends the session for this transport. Does nothing when called again. */
  close(reason: 'lost' | 'answered'): void {
    if (this.#closed) return
    this.#closed = true
    this.#context.wheel.cancel(this.#wait)
    this.#context.closeSession(this.session, reason)
  }

  #answerNow(): void {
    if (this.#closed) return
    // Between frames, the position also advances past events that are not for this client.
    this.#after = this.session.token()
    this.close('answered')
    this.#reply()
  }

  /**
   * Answers early, without frames, with the start position. The client loses nothing, and its next
   * poll reaches another gateway.
   */
  #sendAway(): void {
    if (this.#frames.length > 0) this.#live = false
    this.#frames = []
    this.#reply()
  }

  #reply(): void {
    const parts: Uint8Array[] = [Buffer.from('{"frames":[')]
    for (const frame of this.#frames) {
      if (parts.length > 1) parts.push(comma)
      parts.push(frame)
    }
    parts.push(Buffer.from(`],"live":${this.#live},"after":${JSON.stringify(this.#after)}}`))
    this.#frames = []
    this.#exchange.answer(200, [jsonType], Buffer.concat(parts))
  }
}
