import type { Timing } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { encodeBase64, encodeBase64Url } from '../wire/base64.ts'
import type { Published } from '../wire/frames.ts'
import { Backoff, type BackoffOptions } from './backoff.ts'
import type { Refusal } from './connection.ts'
import type { Ask } from './network.ts'
import { answerWith, lost, refusalOf, refusedError } from './refusal.ts'

/** An event to publish: at most one of `data`, `text` and `bytes`. Fields at their defaults may be left out. */
export interface OutgoingEvent {
  readonly subject: string
  /** JSON. */
  readonly data?: unknown
  readonly text?: string
  readonly bytes?: Uint8Array
  /** For subscribers' de-duplication; made up when absent, and kept over all attempts. */
  readonly id?: string
  readonly type?: string
  readonly contentType?: string
  /** Unix µs; the gateway's clock when absent. */
  readonly publishedAtUs?: number
  readonly ttlMs?: number
  readonly collapseKey?: string
  readonly priority?: number
  readonly attributes?: Readonly<Record<string, string>>
  /** The subject's value is gone. */
  readonly deleted?: boolean
}

export interface PublishOptions {
  /** How long attempts are repeated, ms. An attempt whose answer is lost may have been carried out: the next one is a new record. */
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

/** Resolves once the broker has all of them, or none is wrong: positions in their order. Throws RefusedError. */
export async function publish(
  events: readonly OutgoingEvent[],
  { urls, backoff, clock, random, ask }: PublishContext,
  { timeoutMs = defaultTimeoutMs, signal }: PublishOptions,
): Promise<Published[]> {
  const body = JSON.stringify({ events: events.map(wireEvent) })
  const pauses = new Backoff(random, backoff)
  const deadline = clock.monotonicMs() + timeoutMs
  const until = { clock, signal, ask }
  let said: Refusal | undefined
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted()
    const leftMs = deadline - clock.monotonicMs()
    const answer = await post(`${urls[attempt % urls.length]}/v1/publish`, body, leftMs, until)
    if (Array.isArray(answer)) return answer
    // What a gateway said tells more than that the last attempt had no answer.
    said = answer.code === 'lost' ? (said ?? answer) : answer
    const pauseMs = pauses.next(answer.retryAfterMs)
    if (said.retry === 'no' || clock.monotonicMs() + pauseMs >= deadline) throw refusedError(said)
    await pause(pauseMs, until)
  }
}

/** What ends a wait. */
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

/** Runs `task` after `ms` or once it is aborted, until it is released. */
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

/** `crypto.randomUUID` is there on https and loopback pages only. */
function randomId(): string {
  return encodeBase64Url(crypto.getRandomValues(new Uint8Array(16)), 16)
}
