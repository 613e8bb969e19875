import { CarillonError } from '../base/errors.ts'
import { maxLast, type Policy, policies, type SubscribeOptions, subscribeOptions } from '../wire/frames.ts'
import { parseQuery, quote, single, wholeMs } from './query.ts'

/** What an SSE stream or a poll asks for. */
export interface SubscribeRequest extends SubscribeOptions {
  readonly subjects: readonly string[]
  /** Tokens, `earliest`, `latest` or `@time`; empty = from now on. */
  readonly after: readonly string[]
}

export interface PollRequest extends SubscribeRequest {
  readonly waitMs: number
  /** It is not held any longer once all that was missed has been told. */
  readonly untilLive: boolean
}

/** Proxies often cut a silent request after 60 s. */
export const maxWaitMs = 55_000
export const defaultWaitMs = 25_000

/** `?subject=…&subject=…[&after=…]`; `lastEventId` is what EventSource polyfills send where they can't set the header. */
export function sseRequest(query: string, lastEventIdHeader: string): SubscribeRequest {
  const parameters = parseQuery(query, ['subject', 'after', 'lastEventId', 'last', 'policy'])
  const lastEventId = lastEventIdHeader || single(parameters, 'lastEventId') || ''
  const after = lastEventId === '' ? given(parameters.get('after')) : [lastEventId]
  // A reconnecting EventSource repeats its URL: its position counts, not where it once began.
  const last = lastEventId === '' ? lastOf(single(parameters, 'last')) : undefined
  return {
    subjects: required(parameters.get('subject')),
    after,
    ...subscribeOptions(last, policyOf(single(parameters, 'policy'))),
  }
}

/** `?subject=…&subject=…[&after=…][&wait=…][&until=live]` */
export function pollRequest(query: string): PollRequest {
  const parameters = parseQuery(query, ['subject', 'after', 'wait', 'until', 'last', 'policy'])
  const last = lastOf(single(parameters, 'last'))
  const wait = single(parameters, 'wait') ?? defaultWaitMs
  return {
    subjects: required(parameters.get('subject')),
    after: given(parameters.get('after')),
    ...subscribeOptions(last, policyOf(single(parameters, 'policy'))),
    waitMs: wholeMs('wait', wait, maxWaitMs),
    untilLive: isUntilLive(single(parameters, 'until'), last),
  }
}

/** `{"subjects": ["…"], "after": "…" or ["…"], "wait": 25000, "until": "live"}` */
export function pollRequestFromJson(value: unknown): PollRequest {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CarillonError('bad_request', `expected {"subjects": […], "after": …, "wait": …}, got ${quote(value)}`)
  }
  const known = ['subjects', 'after', 'wait', 'until', 'last', 'policy']
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) {
    throw new CarillonError('bad_request', `expected the fields ${known.join(', ')}, got ${quote(unknown)}`)
  }
  const { subjects, after, wait, until, policy, ...more } = value as Record<string, unknown>
  const last = lastOf(more.last ?? undefined)
  return {
    subjects: required(strings('subjects', subjects)),
    after: given(typeof after === 'string' ? [after] : strings('after', after)),
    ...subscribeOptions(last, policyOf(policy ?? undefined)),
    waitMs: wholeMs('wait', wait ?? defaultWaitMs, maxWaitMs),
    untilLive: isUntilLive(until ?? undefined, last),
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

function lastOf(value: unknown): number | undefined {
  if (value === undefined) return undefined
  const last = typeof value === 'string' && /^\d{1,4}$/.test(value) ? Number(value) : value
  if (typeof last === 'number' && Number.isInteger(last) && last >= 1 && last <= maxLast) return last
  throw new CarillonError('bad_request', `expected last to be a whole number from 1 to ${maxLast}, got ${quote(value)}`)
}

/** With `last` there is nothing to wait for once all of it is told: a later poll goes on from the token. */
function isUntilLive(until: unknown, last: number | undefined): boolean {
  if (until !== undefined && until !== 'live') {
    throw new CarillonError('bad_request', `expected until to be live, got ${quote(until)}`)
  }
  return until === 'live' || last !== undefined
}

function policyOf(value: unknown): Policy | undefined {
  if (value === undefined) return undefined
  const policy = policies.find((known) => known === value)
  if (policy !== undefined) return policy
  throw new CarillonError('bad_request', `expected policy to be ${policies.join(' or ')}, got ${quote(value)}`)
}

function strings(name: string, value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw new CarillonError('bad_request', `expected ${name} to be an array of strings, got ${quote(value)}`)
}
