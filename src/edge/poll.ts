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

/** A poll that names a position waits at least so long for what it missed, which may have to come from the broker, ms. */
const leastWaitMs = 250

const comma = Buffer.from(',')

/** `GET /v1/poll?subject=…[&after=…][&wait=…][&until=live]` */
export function servePoll(context: EdgeContext, doorway: AdmissionQueue): Handler {
  return (exchange, req) => {
    const grant = context.contracts.identify(req)
    const request = pollRequest(queryOf(req))
    doorway.admit(exchange, () => poll(context, exchange, request, grant))
  }
}

/** `POST /v1/poll`: the same as JSON, for more subjects or tokens than a URL holds. */
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

/** Of a request's body, which anybody may send, and which is parsed in one go. */
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

/** A session of one answer: what there is by the end of the turn in which the first frame came. */
class PollOutlet implements Outlet {
  readonly #context: EdgeContext
  readonly #exchange: Exchange
  readonly #waitMs: number
  readonly #untilLive: boolean
  /** It has no position yet: that is all it asks for. */
  readonly #isFirst: boolean
  session!: Session
  #closed = false
  /** The position of the answer; before that of where the session began, '' before it has. Not of each frame: a client's token may have a thousand positions. */
  #after = ''
  /** All that was missed is among the frames: an empty answer may as well be one whose events the broker has not given yet. */
  #live = false
  #frames: Uint8Array[] = []
  #bytes = 0
  readonly #answer = (): void => this.#answerNow()
  readonly #wait = new WheelTimer(this.#answer)

  /** The request itself is not kept while it waits. */
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
    // Gaps always fit: an answer that holds some only of those that a token calls for would call for all of them again.
    const isBounded = kind === 'delivery'
    const isTooMuch = this.#frames.length > 0 && this.#bytes + frame.length > maxPollBytes
    if (isBounded && isTooMuch) return writeOutcome.refused
    // Frames of one turn go out together; the session may reuse a frame's memory for the next one.
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

  /** Once: the session is over for this transport. */
  close(reason: 'lost' | 'answered'): void {
    if (this.#closed) return
    this.#closed = true
    this.#context.wheel.cancel(this.#wait)
    this.#context.closeSession(this.session, reason)
  }

  #answerNow(): void {
    if (this.#closed) return
    // Between two frames the position moves on past what is not for this client.
    this.#after = this.session.token()
    this.close('answered')
    this.#reply()
  }

  /** The client loses nothing by an early answer from where it began, and its next poll finds another gateway. */
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
