import fc from 'fast-check'
import {
  type ClientFrame,
  type Event,
  gapReasons,
  makeEvent,
  maxLast,
  type ServerFrame,
} from '../../src/wire/frames.ts'

/** Random frames and events of every shape that a gateway or publisher may produce. */

const text = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((value) => value.isWellFormed())
const uint32 = fc.oneof(fc.nat(300), fc.nat(0xffffffff))
export const uint53 = fc.oneof(fc.nat(300), fc.maxSafeNat(), fc.constant(Number.MAX_SAFE_INTEGER))
const token = fc.string({
  unit: fc.constantFrom('a', 'b', 'é', '日', '😀', '$', '"', '\\'),
  minLength: 1,
  maxLength: 3,
})
export const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'))

const encoder = new TextEncoder()
export const jsonData = fc
  .tuple(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(undefined, 1, '\r\n', '\t'))
  .map(([value, indent]) => encoder.encode(JSON.stringify(value, undefined, indent)))
const anyData = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  text.map((value) => encoder.encode(value)),
  jsonData,
)
export const contentType = fc.constantFrom(
  '',
  'application/json',
  'Application/Problem+JSON; charset=utf-8',
  'text/plain',
  'text/plain;charset=iso-8859-1',
  'application/octet-stream',
)
const attributes = fc.dictionary(fc.oneof(text, fc.constantFrom('__proto__', 'constructor', '1')), text, { maxKeys: 3 })

export const event: fc.Arbitrary<Event> = fc
  .record(
    {
      subject,
      id: text,
      type: text,
      contentType,
      data: anyData,
      publishedAtUs: uint53,
      ttlMs: uint32,
      collapseKey: text,
      priority: fc.oneof(fc.integer({ min: -2, max: 2 }), fc.integer()),
      attributes,
      deleted: fc.boolean(),
    },
    { requiredKeys: ['subject'] },
  )
  .map(makeEvent)

/** A publishable event: a deletion has no data. */
export const publishable = event.map((each) => (each.deleted ? { ...each, data: new Uint8Array(0) } : each))

const ref = uint32.map((value) => Math.max(1, value))
const refs = fc.option(fc.array(ref, { minLength: 1, maxLength: 3 }), { nil: undefined })
const known = gapReasons.filter((reason) => reason !== 'unspecified')

export const clientFrame: fc.Arbitrary<ClientFrame> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('subscribe' as const),
      ref,
      subject,
      after: fc.array(text, { maxLength: 3 }),
      last: fc.integer({ min: 1, max: maxLast }),
      policy: fc.constant('latest' as const),
    },
    { requiredKeys: ['kind', 'ref', 'subject', 'after'] },
  ),
  fc.record({ kind: fc.constant('unsubscribe' as const), ref }),
  fc.record({ kind: fc.constant('ping' as const), t: uint53 }),
)

const limits = fc.record({
  maxFrameBytes: uint32,
  maxEventBytes: uint32,
  maxSubjectBytes: uint32,
  maxSubscriptions: uint32,
})

export const delivery = fc.record({
  kind: fc.constant('delivery' as const),
  after: fc.string({ unit: fc.constantFrom('E', 'a', '0', '_', '-'), maxLength: 24 }),
  partition: uint32,
  offset: uint53,
  event,
  refs,
})

export const controlFrame: fc.Arbitrary<Exclude<ServerFrame, { kind: 'delivery' }>> = fc.oneof(
  fc.record({
    kind: fc.constant('welcome' as const),
    gateway: text,
    version: text,
    limits,
    heartbeatMs: uint32,
    nowUs: uint53,
  }),
  fc.record({ kind: fc.constant('subscribed' as const), ref, after: text }),
  fc.record({ kind: fc.constant('live' as const), ref }),
  fc.record({
    kind: fc.constant('gap' as const),
    refs,
    stream: text,
    partition: uint32,
    from: uint53,
    to: fc.option(uint53, { nil: undefined }),
    n: fc.option(uint53, { nil: undefined }),
    reason: fc.constantFrom(...known),
    certain: fc.boolean(),
    after: text,
  }),
  fc.record({ kind: fc.constant('unsubscribed' as const), ref }),
  fc.record({ kind: fc.constant('pong' as const), t: uint53, nowUs: uint53, after: text }),
  fc.record({
    kind: fc.constant('error' as const),
    ref: fc.option(ref, { nil: undefined }),
    code: text,
    message: text,
    retry: fc.constantFrom('no' as const, 'later' as const),
    retryAfterMs: uint32,
  }),
)

/**
 * Normalises values that two encodings must agree on: bytes of any class as arrays, and no
 * undefined fields.
 */
export function comparable(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, field) =>
      ArrayBuffer.isView(field)
        ? Array.from(field as Uint8Array)
        : field?.type === 'Buffer' && Array.isArray(field.data)
          ? field.data
          : field,
    ),
  )
}

/**
 * Puts `bytes` in a larger buffer whose other bytes would parse as fields, to catch reads out of
 * bounds.
 */
export function embedded(bytes: Uint8Array): { buffer: Buffer; start: number; end: number } {
  const buffer = Buffer.alloc(bytes.length + 16, 0x08)
  buffer.set(bytes, 7)
  return { buffer, start: 7, end: 7 + bytes.length }
}
