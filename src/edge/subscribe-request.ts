import { CarillonError } from '../base/errors.ts'
import { maxLast, type Policy, policies, type SubscribeOptions, subscribeOptions } from '../wire/frames.ts'
import { parseQuery, quote, single, wholeMs } from './query.ts'

/** Subjects, position and options of an SSE stream or a poll. */
export interface SubscribeRequest extends SubscribeOptions {
  readonly subjects: readonly string[]
  /** Tokens, `earliest`, `latest` or `@time`; empty = start with the next event. */
  readonly after: readonly string[]
}

export interface PollRequest extends SubscribeRequest {
  readonly waitMs: number
  /** True if the poll is answered as soon as everything missed has been delivered. */
  readonly untilLive: boolean
}

/** Maximum wait of a poll, ms: proxies often cut a silent request after 60 s. */
export const maxWaitMs = 55_000
export const defaultWaitMs = 25_000

/**
 * Parses `?subject=…&subject=…[&after=…][&last=…][&policy=…]`. EventSource polyfills that can't
 * set the header send `lastEventId` as a parameter.
 */
export function sseRequest(query: string, lastEventIdHeader: string): SubscribeRequest {
  const parameters = parseQuery(query, ['subject', 'after', 'lastEventId', 'last', 'policy'])
  const lastEventId = lastEventIdHeader || single(parameters, 'lastEventId') || ''
  const after = lastEventId === '' ? given(parameters.get('after')) : [lastEventId]
  // A reconnecting EventSource repeats its URL: its last event id overrides the original start.
  const last = lastEventId === '' ? lastOf(single(parameters, 'last')) : undefined
  return {
    subjects: required(parameters.get('subject')),
    after,
    ...subscribeOptions(last, policyOf(single(parameters, 'policy'))),
  }
}

/** Parses `?subject=…&subject=…[&after=…][&wait=…][&until=live][&last=…][&policy=…]`. */
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

/**
 * Parses `{"subjects": ["…"], "after": "…" or ["…"], "wait": 25000, "until": "live"}`, with
 * optional `last` and `policy`.
 */
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

/** Drops empty values of `after`: a client without a token may send an empty variable. */
function given(after: readonly string[] | undefined): readonly string[] {
  return after?.filter((token) => token !== '') ?? []
}

function lastOf(value: unknown): number | undefined {
  if (value === undefined) return undefined
  const last = typeof value === 'string' && /^\d{1,4}$/.test(value) ? Number(value) : value
  if (typeof last === 'number' && Number.isInteger(last) && last >= 1 && last <= maxLast) return last
  throw new CarillonError('bad_request', `expected last to be a whole number from 1 to ${maxLast}, got ${quote(value)}`)
}

/**
 * True also with `last`: once all its events are delivered, a later poll continues from the token.
 */
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
