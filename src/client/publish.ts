import type { Timing } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { encodeBase64, encodeBase64Url } from '../wire/base64.ts'
import type { Published } from '../wire/frames.ts'
import { Backoff, type BackoffOptions } from './backoff.ts'
import type { Refusal } from './connection.ts'
import type { Ask } from './network.ts'
import { answerWith, lost, refusalOf, refusedError } from './refusal.ts'

/**
 * An event to publish, with at most one of `data`, `text` and `bytes`. Fields at their defaults
 * are optional.
 */
export interface OutgoingEvent {
  readonly subject: string
  /** A JSON value. */
  readonly data?: unknown
  readonly text?: string
  readonly bytes?: Uint8Array
  /** For de-duplication by subscribers; random by default. All attempts keep it. */
  readonly id?: string
  readonly type?: string
  readonly contentType?: string
  /** Unix µs; default: the gateway's clock. */
  readonly publishedAtUs?: number
  readonly ttlMs?: number
  readonly collapseKey?: string
  readonly priority?: number
  readonly attributes?: Readonly<Record<string, string>>
  /** The subject's value has been deleted. */
  readonly deleted?: boolean
}

export interface PublishOptions {
  /**
   * Limit for all attempts together, ms. An attempt whose answer is lost may have been carried
   * out; the next one then writes another record.
   */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

const defaultTimeoutMs = 10_000

export interface PublishContext {
  readonly urls: readonly string[]
  readonly ask: Ask
  readonly backoff: BackoffOptions
  readonly clock: Timing
  readonly random: Random
}

/**
 * Publishes a batch. Resolves once the broker has all events, with their positions in the same
 * order. One invalid event rejects the whole batch. Throws RefusedError.
 */
export async function publish(
  events: readonly OutgoingEvent[],
  { urls, backoff, clock, random, ask }: PublishContext,
  { timeoutMs = defaultTimeoutMs, signal }: PublishOptions,
): Promise<Published[]> {
  const body = JSON.stringify({ events: events.map(wireEvent) })
  const pauses = new Backoff(random, backoff)
  const deadline = clock.monotonicMs() + timeoutMs
  const until = { clock, signal, ask }
  let refused: Refusal | undefined
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted()
    const leftMs = deadline - clock.monotonicMs()
    const answer = await post(`${urls[attempt % urls.length]}/v1/publish`, body, leftMs, until)
    if (Array.isArray(answer)) return answer
    // A gateway's refusal is more useful than the missing answer of the last attempt.
    refused = answer.code === 'lost' ? (refused ?? answer) : answer
    const pauseMs = pauses.next(answer.retryAfterMs)
    if (refused.retry === 'no' || clock.monotonicMs() + pauseMs >= deadline) throw refusedError(refused)
    await pause(pauseMs, until)
  }
}

/** What a wait depends on. */
interface Until {
  readonly clock: Timing
  readonly signal: AbortSignal | undefined
}

async function post(
  url: string,
  body: string,
  leftMs: number,
  until: Until & Pick<PublishContext, 'ask'>,
): Promise<Published[] | Refusal> {
  const over = new AbortController()
  const release = after(leftMs, until, () => over.abort())
  try {
    const headers = { 'content-type': 'application/json' }
    const response = await until.ask(url, { method: 'POST', headers, body, signal: over.signal })
    if (response.status !== 200) return await refusalOf(response)
    return answerWith<{ results: Published[] }>('results', await response.text()).results
  } catch (error) {
    until.signal?.throwIfAborted()
    return lost(url, error)
  } finally {
    release()
  }
}

function pause(ms: number, until: Until): Promise<void> {
  return new Promise((resolve) => {
    const release = after(ms, until, () => {
      release()
      resolve()
    })
  })
}

/** Runs `task` after `ms` or when `signal` aborts, whichever is first. The result cancels it. */
function after(ms: number, { clock, signal }: Until, task: () => void): () => void {
  const cancel = clock.after(ms, task)
  signal?.addEventListener('abort', task)
  return () => {
    cancel()
    signal?.removeEventListener('abort', task)
  }
}

function wireEvent({ bytes, ...event }: OutgoingEvent): object {
  const id = event.id ?? randomId()
  return bytes === undefined ? { ...event, id } : { ...event, id, base64: encodeBase64(bytes) }
}

/** Returns a random ID. `crypto.randomUUID` exists on https and loopback pages only. */
function randomId(): string {
  return encodeBase64Url(crypto.getRandomValues(new Uint8Array(16)), 16)
}
