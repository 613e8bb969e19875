import { CarillonError } from '../base/errors.ts'
import { shown } from '../base/shortened.ts'
import { BadFrame } from './bad-frame.ts'
import { deliveredEvent, eventToJson } from './event-json.ts'
import {
  type ClientFrame,
  type GapReason,
  gapReasons,
  type Limits,
  maxLast,
  type Policy,
  policies,
  type ServerFrame,
  subscribeOptions,
} from './frames.ts'
import { JsonFields } from './json-fields.ts'

/**
 * Frames as JSON: an object with one key, the frame's kind. Decoding is strict about types and
 * ignores unknown fields. Errors are a `bad_frame` that names the field.
 */

const encoder = /* @__PURE__ */ new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Decodes a client's frame from a text message. Checks the fields' types only, not their values;
 * see frames.ts.
 */
export function decodeClientFrame(message: Uint8Array | string): ClientFrame {
  const { kind, value } = oneKey(parse(message))
  const fields = () => new JsonFields(value, kind, 'bad_frame')
  switch (kind) {
    case 'subscribe':
      return readSubscribe(fields())
    case 'unsubscribe':
      return { kind, ref: fields().uint32('ref') }
    case 'ping':
      return { kind, t: fields().uint53('t') }
    default:
      throw new CarillonError(
        'bad_frame',
        `expected one of subscribe, unsubscribe and ping as the frame's key, got ${shown(kind)}`,
      )
  }
}

/** Returns the text of a message. */
export function encodeClientFrame(frame: ClientFrame): string {
  const { kind, ...fields } = frame
  return JSON.stringify({ [kind]: fields })
}

export function encodeServerFrame(frame: ServerFrame): Uint8Array {
  return encoder.encode(`{"${frame.kind}":${serverFrameBody(frame)}}`)
}

/**
 * Returns the value under the frame's key, as JSON text on one line. Numbers and booleans are
 * always present, except that a `ref` of 0 is left out.
 */
export function serverFrameBody(frame: ServerFrame): string {
  switch (frame.kind) {
    case 'delivery': {
      const { after, partition, offset, event } = frame
      const position = `"after":${JSON.stringify(after)},"partition":${partition},"offset":${offset}`
      const refs = listed(frame.refs)
      return `{${position},"event":${eventToJson(event)}${refs === undefined ? '' : `,"refs":[${refs.join(',')}]`}}`
    }
    case 'gap': {
      const { stream, partition, from, to, n, reason, certain, after } = frame
      return JSON.stringify({ refs: listed(frame.refs), stream, partition, from, to, n, reason, certain, after })
    }
    case 'error': {
      const { code, message, retry, retryAfterMs } = frame
      return JSON.stringify({ ref: frame.ref || undefined, code, message, retry, retryAfterMs })
    }
    case 'live':
      return JSON.stringify({ ref: frame.ref || undefined })
    default: {
      const { kind, ...fields } = frame
      return JSON.stringify(fields)
    }
  }
}

/**
 * Decodes a gateway's frame from a text message. Returns undefined for a kind that this version
 * doesn't know.
 */
export function decodeServerFrame(message: Uint8Array | string): ServerFrame | undefined {
  return serverFrameFromJson(parse(message))
}

/** Decodes one frame of a long-poll response, from parsed JSON, like `decodeServerFrame`. */
export function serverFrameFromJson(frame: unknown): ServerFrame | undefined {
  const { kind, value } = oneKey(frame)
  return readServerFrame(kind, value)
}

/** Returns the frame of this kind whose fields are `value`; undefined for an unknown kind. */
export function readServerFrame(kind: string, value: unknown): ServerFrame | undefined {
  const fields = new JsonFields(value, kind, 'bad_frame')
  switch (kind) {
    case 'welcome':
      return readWelcome(fields)
    case 'subscribed':
      return { kind, ref: fields.uint32('ref'), after: fields.string('after') }
    case 'delivery':
      return readDelivery(fields)
    case 'live':
    case 'unsubscribed':
      return { kind, ref: fields.uint32('ref') }
    case 'gap':
      return readGap(fields)
    case 'pong':
      return { kind, t: fields.uint53('t'), nowUs: fields.uint53('nowUs'), after: fields.string('after') }
    case 'error':
      return readError(fields)
    default:
      return undefined
  }
}

function parse(message: Uint8Array | string): unknown {
  let text = ''
  try {
    text = typeof message === 'string' ? message : decoder.decode(message)
  } catch {
    throw new CarillonError('bad_frame', 'expected JSON text, got bytes that are not UTF-8')
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    // V8's message quotes the text, all of it if it is short; 200 characters are enough.
    const cause = error instanceof Error ? error.message.slice(0, 200) : ''
    throw new CarillonError('bad_frame', `expected a JSON object such as {"ping":{"t":1}}, got invalid JSON: ${cause}`)
  }
}

function oneKey(frame: unknown): { kind: string; value: unknown } {
  const fields = new JsonFields(frame, 'frame', 'bad_frame')
  const { names } = fields
  if (names.length === 1) return { kind: names[0]!, value: fields.raw(names[0]!) }
  const got = names.length === 0 ? 'none' : `${names.length}: ${names.slice(0, 4).map(shown).join(', ')}`
  throw new CarillonError('bad_frame', `expected an object with one key, the kind of frame, got ${got}`)
}

function readSubscribe(fields: JsonFields): ClientFrame {
  const ref = fields.uint32('ref')
  try {
    return {
      kind: 'subscribe',
      ref,
      subject: fields.string('subject'),
      after: strings(fields, 'after'),
      ...subscribeOptions(fields.optionalInteger('last', 1, maxLast), readPolicy(fields)),
    }
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error
    throw new BadFrame(error.message, ref)
  }
}

function readPolicy(fields: JsonFields): Policy | undefined {
  const name = fields.string('policy')
  if (name === '') return undefined
  const policy = policies.find((known) => known === name)
  if (policy === undefined) throw fields.fail('policy', policies.join(' or '), shown(name))
  return policy
}

function readWelcome(fields: JsonFields): ServerFrame {
  return {
    kind: 'welcome',
    gateway: fields.string('gateway'),
    version: fields.string('version'),
    limits: readLimits(new JsonFields(fields.raw('limits') ?? {}, 'welcome.limits', 'bad_frame')),
    heartbeatMs: fields.uint32('heartbeatMs'),
    nowUs: fields.uint53('nowUs'),
  }
}

function readLimits(fields: JsonFields): Limits {
  return {
    maxFrameBytes: fields.uint32('maxFrameBytes'),
    maxEventBytes: fields.uint32('maxEventBytes'),
    maxSubjectBytes: fields.uint32('maxSubjectBytes'),
    maxSubscriptions: fields.uint32('maxSubscriptions'),
  }
}

function readDelivery(fields: JsonFields): ServerFrame {
  return {
    kind: 'delivery',
    after: fields.string('after'),
    stream: fields.has('stream') ? fields.string('stream') : undefined,
    partition: fields.uint32('partition'),
    offset: fields.uint53('offset'),
    event: deliveredEvent(fields.raw('event'), 'delivery.event'),
    refs: fields.uint32s('refs'),
  }
}

function readGap(fields: JsonFields): ServerFrame {
  return {
    kind: 'gap',
    refs: fields.uint32s('refs'),
    stream: fields.string('stream'),
    partition: fields.uint32('partition'),
    from: fields.uint53('from'),
    to: fields.optionalInteger('to', 0, Number.MAX_SAFE_INTEGER),
    n: fields.optionalInteger('n', 0, Number.MAX_SAFE_INTEGER),
    reason: knownReason(fields.string('reason')),
    certain: fields.boolean('certain'),
    after: fields.string('after'),
  }
}

function readError(fields: JsonFields): ServerFrame {
  return {
    kind: 'error',
    ref: fields.uint32('ref') || undefined,
    code: fields.string('code'),
    message: fields.string('message'),
    retry: fields.string('retry') === 'no' ? 'no' : 'later',
    retryAfterMs: fields.uint32('retryAfterMs'),
  }
}

function knownReason(reason: string): GapReason {
  return gapReasons.find((known) => known === reason) ?? 'unspecified'
}

function listed(refs: readonly number[] | undefined): readonly number[] | undefined {
  return refs === undefined || refs.length === 0 ? undefined : refs
}

/** Reads a string or an array of strings. */
function strings(fields: JsonFields, name: string): string[] {
  const value = fields.raw(name) ?? []
  if (typeof value === 'string') return [fields.text(name, value)]
  if (!Array.isArray(value)) throw fields.fail(name, 'a string or an array of strings', shown(value))
  return value.map((item, index) => fields.text(`${name}[${index}]`, item))
}
