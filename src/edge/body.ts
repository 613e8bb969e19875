import { CarillonError } from '../base/errors.ts'
import type { SlotHolder } from '../base/fair-slots.ts'
import { LimitReached } from '../base/limits.ts'
import { WheelTimer } from '../base/wheel.ts'
import type { EdgeContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import type { Request } from './listener.ts'

/** A request whose body is read, up to `maxBytes`. */
interface Incoming {
  readonly exchange: Exchange
  readonly req: Request
  readonly maxBytes: number
}

/**
 * Resolves with the whole body, or undefined if the client has left. Rejects with
 * `frame_too_large` beyond `maxBytes`, `request_timeout` if the body is not complete in time, or
 * stalls while another one needs its slot, and `overloaded` if too many bodies are being read.
 * Must be called before the handler first awaits.
 */
export function readBody(context: EdgeContext, { exchange, req, maxBytes }: Incoming): Promise<Buffer | undefined> {
  if (Number(req.getHeader('content-length')) > maxBytes) throw tooLarge(maxBytes)
  return new Promise((resolve, reject) => {
    const reader = new BodyReader(context, { address: exchange.peer, maxBytes }, (outcome) => {
      if (outcome instanceof CarillonError) reject(outcome)
      else resolve(outcome)
    })
    if (!context.bodies.take(reader)) throw noSlot(context.options.maxBodies)
    reader.begin()
    exchange.onGone(() => reader.end(undefined))
    exchange.res.onData((chunk, isLast) => {
      reader.take(chunk)
      if (isLast) reader.complete()
    })
  })
}

class BodyReader implements SlotHolder {
  readonly address: string
  readonly #context: EdgeContext
  readonly #maxBytes: number
  readonly #done: (outcome: Buffer | CarillonError | undefined) => void
  readonly #deadline: WheelTimer
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #ended = false

  constructor(
    context: EdgeContext,
    { address, maxBytes }: { readonly address: string; readonly maxBytes: number },
    done: (outcome: Buffer | CarillonError | undefined) => void,
  ) {
    this.#context = context
    this.#maxBytes = maxBytes
    this.address = address
    this.#done = done
    this.#deadline = new WheelTimer(() => this.end(tooSlow(context.options.bodyMs)))
  }

  /** Starts the deadline; the body has a slot. */
  begin(): void {
    this.#context.wheel.schedule(this.#deadline, this.#context.options.bodyMs)
  }

  /** Ends a body that has been silent, because another one needs its slot. */
  evicted(): void {
    const problem = 'the body stalled while another request needed its slot; send it again without pauses'
    this.end(new LimitReached('maxBodies', 'request_timeout', problem))
  }

  take(chunk: ArrayBuffer): void {
    if (this.#ended) return
    this.#context.bodies.heard(this)
    this.#bytes += chunk.byteLength
    if (this.#bytes > this.#maxBytes) {
      this.end(tooLarge(this.#maxBytes))
      return
    }
    // uWS reuses the chunk's memory once this returns.
    this.#chunks.push(Buffer.from(chunk.slice(0)))
  }

  complete(): void {
    this.end(Buffer.concat(this.#chunks))
  }

  end(outcome: Buffer | CarillonError | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#chunks.length = 0
    this.#context.bodies.leave(this)
    this.#context.wheel.cancel(this.#deadline)
    this.#done(outcome)
  }
}

function noSlot(maxBodies: number): CarillonError {
  return new LimitReached(
    'maxBodies',
    'overloaded',
    `the gateway is already reading ${maxBodies} request bodies; retry later`,
  )
}

function tooLarge(maxBytes: number): CarillonError {
  return new LimitReached(
    'maxBodyBytes',
    'frame_too_large',
    `expected a body of at most ${maxBytes} bytes; send less in one request`,
  )
}

function tooSlow(bodyMs: number): CarillonError {
  return new LimitReached('bodyMs', 'request_timeout', `expected the whole body within ${bodyMs} ms; send it again`)
}
