import { type ErrorCode, errors } from '../../src/base/errors.ts'
import type { ServerFrame } from '../../src/wire/frames.ts'
import type { GatewayKnowledge } from './witness.ts'

/**
 * Longest pause that a gateway may ask for, ms: one refusal must not keep a client away for long.
 */
const maxRetryMs = 10_000

/** Checks one connection's frames against the documented order. */
export class Conversation {
  readonly #separate: boolean
  /** Requested refs, and whether the gateway has confirmed them. */
  readonly #refs = new Map<number, 'asked' | 'subscribed'>()
  /** Refs with an unconfirmed unsubscribe. */
  readonly #leaving = new Set<number>()
  /**
   * Refs that the gateway refused while their unsubscribe was in flight. It no longer knows them
   * when the unsubscribe arrives.
   */
  readonly #crossed = new Set<number>()
  #welcomed = false

  constructor(separate: boolean) {
    this.#separate = separate
  }

  asks(ref: number): void {
    this.#refs.set(ref, 'asked')
  }

  leaves(ref: number): void {
    this.#leaving.add(ref)
  }

  next(frame: ServerFrame, gateway: GatewayKnowledge | undefined): string | undefined {
    if (this.#separate && !this.#welcomed && frame.kind !== 'welcome') return `${frame.kind} arrives before the welcome`
    switch (frame.kind) {
      case 'welcome':
        return this.#welcome() ?? clockFault(frame.nowUs, gateway)
      case 'subscribed':
        if (this.#refs.get(frame.ref) !== 'asked') return `subscribed ${frame.ref} was not asked for`
        this.#refs.set(frame.ref, 'subscribed')
        return undefined
      case 'unsubscribed':
        if (!this.#leaving.delete(frame.ref)) return `unsubscribed ${frame.ref} was not asked for`
        this.#refs.delete(frame.ref)
        return undefined
      case 'live':
        return frame.ref === 0 && !this.#separate ? undefined : this.#unknown([frame.ref])
      case 'delivery':
      case 'gap':
        if (!this.#separate && (frame.refs?.length ?? 0) > 0)
          return `a ${frame.kind} names refs, which SSE and poll do not have`
        return this.#unknown(frame.refs ?? [])
      case 'pong':
        return clockFault(frame.nowUs, gateway)
      case 'error':
        if (frame.code === 'bad_ref' && this.#crossed.delete(frame.ref ?? 0)) return undefined
        return errorFault(frame.code, frame.message, frame.retryAfterMs) ?? this.#refused(frame.ref)
    }
  }

  #welcome(): string | undefined {
    if (this.#welcomed || !this.#separate) return 'a welcome arrives twice, or over SSE or poll'
    this.#welcomed = true
    return undefined
  }

  #unknown(refs: readonly number[]): string | undefined {
    const unknown = refs.find((ref) => this.#refs.get(ref) !== 'subscribed')
    return unknown === undefined ? undefined : `ref ${unknown} is not subscribed`
  }

  #refused(ref: number | undefined): string | undefined {
    if (!ref) return undefined
    if (!this.#refs.delete(ref)) return `an error names ref ${ref}, which does not exist`
    if (this.#leaving.delete(ref)) this.#crossed.add(ref)
    return undefined
  }
}

/** Checks that the clock that a gateway sends is not ahead of its real clock. */
function clockFault(nowUs: number, gateway: GatewayKnowledge | undefined): string | undefined {
  const most = gateway?.clockMs?.().most ?? Number.POSITIVE_INFINITY
  return nowUs / 1000 > most + 1 ? `the gateway's clock says ${nowUs / 1000}, and it is ${most}` : undefined
}

/** Checks an error. The SDK sends no invalid request. */
function errorFault(code: string, message: string, retryAfterMs: number): string | undefined {
  if (!Object.hasOwn(errors, code)) return `error ${code} is not in the table`
  if (errors[code as ErrorCode].retry === 'no') return `error ${code}: ${message}`
  const isPause = retryAfterMs >= 0 && retryAfterMs <= maxRetryMs
  return isPause ? undefined : `error ${code} asks for a pause of ${retryAfterMs} ms`
}
