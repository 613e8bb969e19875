import { CarillonError } from '../base/errors.ts'
import { parseQuery, quote, single, wholeMs } from './query.ts'

/** What an SSE stream or a poll asks for. */
export interface SubscribeRequest {
  readonly subjects: readonly string[]
  /** Tokens, `earliest`, `latest` or `@time`; empty = from now on. */
  readonly after: readonly string[]
}

export interface PollRequest extends SubscribeRequest {
  readonly waitMs: number
}

/** Proxies often cut a silent request after 60 s. */
export const maxWaitMs = 55_000
export const defaultWaitMs = 25_000

/** `?subject=…&subject=…[&after=…]`; `lastEventId` is what EventSource polyfills send where they can't set the header. */
export function sseRequest(query: string, lastEventIdHeader: string): SubscribeRequest {
  const parameters = parseQuery(query, ['subject', 'after', 'lastEventId'])
  const lastEventId = lastEventIdHeader || single(parameters, 'lastEventId') || ''
  const after = lastEventId === '' ? given(parameters.get('after')) : [lastEventId]
  return { subjects: required(parameters.get('subject')), after }
}

/** `?subject=…&subject=…[&after=…][&wait=…]` */
export function pollRequest(query: string): PollRequest {
  const parameters = parseQuery(query, ['subject', 'after', 'wait'])
  const wait = single(parameters, 'wait') ?? defaultWaitMs
  return {
    subjects: required(parameters.get('subject')),
    after: given(parameters.get('after')),
    waitMs: wholeMs('wait', wait, maxWaitMs),
  }
}

/** `{"subjects": ["…"], "after": "…" or ["…"], "wait": 25000}` */
export function pollRequestFromJson(value: unknown): PollRequest {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CarillonError('bad_request', `expected {"subjects": […], "after": …, "wait": …}, got ${quote(value)}`)
  }
  const known = ['subjects', 'after', 'wait']
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) {
    throw new CarillonError('bad_request', `expected the fields ${known.join(', ')}, got ${quote(unknown)}`)
  }
  const { subjects, after, wait } = value as Record<string, unknown>
  return {
    subjects: required(strings('subjects', subjects)),
    after: given(typeof after === 'string' ? [after] : strings('after', after)),
    waitMs: wholeMs('wait', wait ?? defaultWaitMs, maxWaitMs),
  }
}

function required(subjects: readonly string[] | undefined): readonly string[] {
  if (subjects !== undefined && subjects.length > 0) return subjects
  throw new CarillonError('bad_request', 'expected at least one subject or pattern (?subject=alarm.zone7.*), got none')
}

/** An empty `after` is an absent one: a client that has no token yet may send its empty variable. */
function given(after: readonly string[] | undefined): readonly string[] {
  return after?.filter((token) => token !== '') ?? []
}

function strings(name: string, value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw new CarillonError('bad_request', `expected ${name} to be an array of strings, got ${quote(value)}`)
}
