import { type ErrorCode, errors } from '../../src/base/errors.ts'
import type { ServerFrame } from '../../src/wire/frames.ts'
import type { GatewayKnowledge } from './witness.ts'

/** Longest pause that a gateway may ask for, ms: nobody is to stay away for long because of one refusal. */
const maxRetryMs = 10_000

/** One connection's frames in the order that is documented: what is wrong with the next one, if anything is. */
export class Conversation {
  readonly #separate: boolean
  /** Subscribed refs, and whether the gateway has said so. */
  readonly #refs = new Map<number, 'asked' | 'subscribed'>()
  /** Refs that were let go, until the gateway says that it has heard. */
  readonly #leaving = new Set<number>()
  /** Refs that the gateway refused while the word that they were let go was on its way: it knows them no more when that comes. */
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
    if (this.#separate && !this.#welcomed && frame.kind !== 'welcome') return `${frame.kind} comes before the welcome`
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
    if (this.#welcomed || !this.#separate) return 'a welcome comes twice, or over SSE or poll'
    this.#welcomed = true
    return undefined
  }

  #unknown(refs: readonly number[]): string | undefined {
    const unknown = refs.find((ref) => this.#refs.get(ref) !== 'subscribed')
    return unknown === undefined ? undefined : `ref ${unknown} is not subscribed`
  }

  #refused(ref: number | undefined): string | undefined {
    if (!ref) return undefined
    if (!this.#refs.delete(ref)) return `an error names ref ${ref}, which nobody has`
    if (this.#leaving.delete(ref)) this.#crossed.add(ref)
    return undefined
  }
}

/** A gateway's clock, as a client hears of it, is not ahead of itself. */
function clockFault(nowUs: number, gateway: GatewayKnowledge | undefined): string | undefined {
  const most = gateway?.clockMs?.().most ?? Number.POSITIVE_INFINITY
  return nowUs / 1000 > most + 1 ? `the gateway's clock says ${nowUs / 1000}, and it is ${most}` : undefined
}

/** The SDK asks for nothing that is wrong. */
function errorFault(code: string, message: string, retryAfterMs: number): string | undefined {
  if (!Object.hasOwn(errors, code)) return `error ${code} is not in the table`
  if (errors[code as ErrorCode].retry === 'no') return `error ${code}: ${message}`
  const isPause = retryAfterMs >= 0 && retryAfterMs <= maxRetryMs
  return isPause ? undefined : `error ${code} asks for a pause of ${retryAfterMs} ms`
}
