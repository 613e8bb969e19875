import { CarillonError, type Retry } from '../base/errors.ts'
import { BadFrame } from './bad-frame.ts'
import { eventOfMessage } from './envelope.ts'
import {
  type ClientFrame,
  type Gap,
  type GapReason,
  gapReasons,
  maxLast,
  policies,
  type ServerFrame,
  type Subscribe,
  subscribeOptions,
} from './frames.ts'
import { messages } from './schema.ts'

/** Frames as protobuf: proto/carillon/v1/gateway.proto. Errors are a `bad_frame`. */

/**
 * Decodes a client's frame from a binary message. Checks the fields' types only, not their
 * values; see frames.ts.
 */
export function decodeClientFrame(message: Uint8Array): ClientFrame {
  const { subscribe, unsubscribe, ping } = decoded('ClientFrame', message)
  if (subscribe != null) {
    const { ref, subject, after, last } = subscribe
    if ((last ?? 0) > maxLast) {
      throw new BadFrame(`subscribe.last: expected an integer from 1 to ${maxLast}, got ${last}`, ref ?? 0)
    }
    const policy = policies[subscribe.policy ?? 0]
    if (policy === undefined) {
      throw new BadFrame(`subscribe.policy: expected ${policies.join(' or ')}, got ${subscribe.policy}`, ref ?? 0)
    }
    const asked = { ref: ref ?? 0, subject: subject ?? '', after: after ?? [] }
    return { kind: 'subscribe', ...asked, ...subscribeOptions(last || undefined, policy) }
  }
  if (unsubscribe != null) return { kind: 'unsubscribe', ref: unsubscribe.ref ?? 0 }
  if (ping != null) return { kind: 'ping', t: integer('ping.t', ping.t) }
  throw new CarillonError('bad_frame', 'expected a ClientFrame with subscribe, unsubscribe or ping, got none of them')
}

export function encodeClientFrame(frame: ClientFrame): Uint8Array {
  switch (frame.kind) {
    case 'subscribe':
      return messages.ClientFrame.encode({ subscribe: subscribeMessage(frame) }).finish()
    case 'unsubscribe':
      return messages.ClientFrame.encode({ unsubscribe: frame }).finish()
    case 'ping':
      return messages.ClientFrame.encode({ ping: frame }).finish()
  }
}

export function encodeServerFrame(frame: ServerFrame): Uint8Array {
  switch (frame.kind) {
    case 'welcome':
      return messages.ServerFrame.encode({ welcome: frame }).finish()
    case 'subscribed':
      return messages.ServerFrame.encode({ subscribed: frame }).finish()
    case 'delivery':
      return messages.ServerFrame.encode({ delivery: { ...frame, refs: [...(frame.refs ?? [])] } }).finish()
    case 'live':
      return messages.ServerFrame.encode({ live: frame }).finish()
    case 'gap':
      return messages.ServerFrame.encode({ gap: gapMessage(frame) }).finish()
    case 'unsubscribed':
      return messages.ServerFrame.encode({ unsubscribed: frame }).finish()
    case 'pong':
      return messages.ServerFrame.encode({ pong: frame }).finish()
    case 'error':
      return messages.ServerFrame.encode({
        error: { ...frame, ref: frame.ref ?? 0, retry: retries.indexOf(frame.retry) },
      }).finish()
  }
}

function subscribeMessage({ ref, subject, after, last, policy }: Subscribe) {
  return { ref, subject, after: [...after], last: last ?? 0, policy: policies.indexOf(policy ?? 'lossless') }
}

function gapMessage(gap: Gap) {
  const { stream, partition, from, certain, after } = gap
  const refs = [...(gap.refs ?? [])]
  const reason = gapReasons.indexOf(gap.reason)
  return { refs, stream, partition, from, to: gap.to ?? null, n: gap.n ?? null, reason, certain, after }
}

/**
 * Decodes a gateway's frame from a binary message. Returns undefined for a kind that this version
 * doesn't know. The event's data is a view of `message`: copy what outlives it.
 */
export function decodeServerFrame(message: Uint8Array): ServerFrame | undefined {
  const frame = decoded('ServerFrame', message)
  if (frame.delivery != null) return readDelivery(frame.delivery)
  if (frame.gap != null) return readGap(frame.gap)
  if (frame.pong != null) {
    const { t, nowUs, after } = frame.pong
    return { kind: 'pong', t: integer('pong.t', t), nowUs: integer('pong.nowUs', nowUs), after: after ?? '' }
  }
  if (frame.live != null) return { kind: 'live', ref: frame.live.ref ?? 0 }
  if (frame.subscribed != null) {
    return { kind: 'subscribed', ref: frame.subscribed.ref ?? 0, after: frame.subscribed.after ?? '' }
  }
  if (frame.unsubscribed != null) return { kind: 'unsubscribed', ref: frame.unsubscribed.ref ?? 0 }
  if (frame.error != null) return readError(frame.error)
  if (frame.welcome != null) return readWelcome(frame.welcome)
  return undefined
}

type Fields = ReturnType<typeof messages.ServerFrame.decode>
type FieldsOf<Kind extends keyof Fields> = NonNullable<Fields[Kind]>

function readDelivery(message: FieldsOf<'delivery'>): ServerFrame {
  const { after, partition, offset, event, refs } = message
  if (event == null) throw new CarillonError('bad_frame', 'delivery.event: expected an event, got none')
  integer('delivery.event.publishedAtUs', event.publishedAtUs)
  return {
    kind: 'delivery',
    after: after ?? '',
    partition: partition ?? 0,
    offset: integer('delivery.offset', offset),
    event: eventOfMessage(event as InstanceType<typeof messages.Event>),
    refs: refs != null && refs.length > 0 ? refs : undefined,
  }
}

function readGap(message: FieldsOf<'gap'>): ServerFrame {
  const { refs, stream, partition, from, to, n, reason, certain, after } = message
  return {
    kind: 'gap',
    refs: refs != null && refs.length > 0 ? refs : undefined,
    stream: stream ?? '',
    partition: partition ?? 0,
    from: integer('gap.from', from),
    to: to == null ? undefined : integer('gap.to', to),
    n: n == null ? undefined : integer('gap.n', n),
    reason: reasonOf(reason ?? 0),
    certain: certain ?? false,
    after: after ?? '',
  }
}

/** In the order of the enum. */
const retries: readonly Retry[] = ['later', 'no']

function reasonOf(value: number): GapReason {
  return gapReasons[value] ?? 'unspecified'
}

function readError(message: FieldsOf<'error'>): ServerFrame {
  const { ref, code, retry, retryAfterMs } = message
  return {
    kind: 'error',
    ref: ref || undefined,
    code: code ?? '',
    message: message.message ?? '',
    retry: retries[retry ?? 0] ?? 'later',
    retryAfterMs: retryAfterMs ?? 0,
  }
}

function readWelcome(message: FieldsOf<'welcome'>): ServerFrame {
  const { gateway, version, limits, heartbeatMs, nowUs } = message
  return {
    kind: 'welcome',
    gateway: gateway ?? '',
    version: version ?? '',
    limits: {
      maxFrameBytes: limits?.maxFrameBytes ?? 0,
      maxEventBytes: limits?.maxEventBytes ?? 0,
      maxSubjectBytes: limits?.maxSubjectBytes ?? 0,
      maxSubscriptions: limits?.maxSubscriptions ?? 0,
    },
    heartbeatMs: heartbeatMs ?? 0,
    nowUs: integer('welcome.nowUs', nowUs),
  }
}

/** Checks that a number is at most 2^53 - 1: beyond, the decoder has already rounded it. */
function integer(path: string, value: number | null | undefined): number {
  const number = value ?? 0
  if (Number.isSafeInteger(number) && number >= 0) return number
  throw new CarillonError('bad_frame', `${path}: expected an integer from 0 to 2^53 - 1, got about ${number}`)
}

interface Decoded {
  ClientFrame: ReturnType<typeof messages.ClientFrame.decode>
  ServerFrame: ReturnType<typeof messages.ServerFrame.decode>
}

function decoded<Name extends keyof Decoded>(name: Name, message: Uint8Array): Decoded[Name] {
  try {
    return messages[name].decode(message) as Decoded[Name]
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    throw new CarillonError('bad_frame', `expected a protobuf ${name}, got ${message.length} invalid bytes: ${cause}`)
  }
}
