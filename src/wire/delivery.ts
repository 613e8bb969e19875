import { decodeEvent, type EnvelopeView, envelopeView, scanEnvelope } from './envelope.ts'
import type { Encoding } from './frames.ts'
import { jsonText, scanJson } from './json-text.ts'
import { JsonWriter, maxEscapedBytes } from './json-writer.ts'
import { type DataForm, dataForm } from './media-type.ts'
import { varintLength, writeVarint } from './varint.ts'

/**
 * Encodes deliveries on the hot path: once per record and encoding, straight from the envelope's
 * bytes. Server only: it uses Node's Buffer, so browsers must not load it. JSON and SSE output
 * equals `encodeControl` of the decoded event. Protobuf output equals the generated encoder's,
 * except that the envelope's bytes are copied unchanged.
 */
export interface DeliveryParts {
  /** The token of the position after the record. */
  readonly after: string
  readonly stream: string
  readonly partition: number
  readonly offset: number
  /** Bytes [start, end) are the envelope, which `scanEnvelope` has accepted. */
  readonly event: Buffer
  readonly eventStart: number
  readonly eventEnd: number
  /** undefined or empty = every matching live subscription. */
  readonly refs?: readonly number[] | undefined
}

/**
 * Returns a new buffer, which all sessions with this encoding share. For SSE, each session adds
 * its own id line.
 */
export function encodeDelivery(encoding: Encoding, parts: DeliveryParts): Buffer {
  switch (encoding) {
    case 'proto':
      return encodeProto(parts)
    case 'json':
      return encodeJson(parts)
    case 'sse':
      return encodeSse(parts)
  }
}

/** Field keys: number × 8 + wire type. */
const protoKey = { serverFrameDelivery: 26, after: 10, partition: 16, offset: 24, event: 34, refs: 42 } as const

function encodeProto(parts: DeliveryParts): Buffer {
  const { after, partition, offset, event, eventStart, eventEnd, refs } = parts
  const eventLength = eventEnd - eventStart
  const refsLength = refs === undefined ? 0 : packedLength(refs)
  let length = 1 + varintLength(eventLength) + eventLength
  if (after.length > 0) length += 1 + varintLength(after.length) + after.length
  if (partition > 0) length += 1 + varintLength(partition)
  if (offset > 0) length += 1 + varintLength(offset)
  if (refsLength > 0) length += 1 + varintLength(refsLength) + refsLength
  const frame = Buffer.allocUnsafe(1 + varintLength(length) + length)
  let at = writeKey(frame, 0, protoKey.serverFrameDelivery, length)
  if (after.length > 0) at = writeAscii(frame, writeKey(frame, at, protoKey.after, after.length), after)
  if (partition > 0) at = writeKey(frame, at, protoKey.partition, partition)
  if (offset > 0) at = writeKey(frame, at, protoKey.offset, offset)
  at = writeKey(frame, at, protoKey.event, eventLength)
  at += event.copy(frame, at, eventStart, eventEnd)
  if (refsLength > 0) {
    at = writeKey(frame, at, protoKey.refs, refsLength)
    for (const ref of refs!) at = writeVarint(frame, at, ref)
  }
  return frame
}

function packedLength(refs: readonly number[]): number {
  let length = 0
  for (const ref of refs) length += varintLength(ref)
  return length
}

/** Writes a key and a number: the field's value or length. */
function writeKey(bytes: Uint8Array, at: number, key: number, value: number): number {
  bytes[at] = key
  return writeVarint(bytes, at + 1, value)
}

/** Writes a token. For these few characters, a loop costs less than a native write. */
function writeAscii(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i)
  return at
}

const json = new JsonWriter()
const view: EnvelopeView = envelopeView()

/** Maximum bytes of JSON in a frame besides the event, stream and refs. */
const frameBytes = 512
/** Maximum bytes of a ref with its comma. */
const refBytes = 11

function encodeJson(parts: DeliveryParts): Buffer {
  const { after, partition, offset, refs } = parts
  begin(parts)
  json.ascii('{"delivery":{"after":"')
  json.ascii(after)
  json.ascii('","partition":')
  json.uint(partition)
  json.ascii(',"offset":')
  json.uint(offset)
  json.ascii(',"event":')
  writeEvent(parts)
  if (refs !== undefined && refs.length > 0) json.ascii(`,"refs":[${refs.join(',')}]`)
  json.ascii('}}')
  return json.take()
}

function encodeSse(parts: DeliveryParts): Buffer {
  const { stream, partition, offset } = parts
  begin(parts)
  json.ascii('data: {"stream":')
  json.text(quoted(stream))
  json.ascii(',"partition":')
  json.uint(partition)
  json.ascii(',"offset":')
  json.uint(offset)
  json.ascii(',"event":')
  writeEvent(parts)
  json.ascii('}\n\n')
  return json.take()
}

function begin(parts: DeliveryParts): void {
  const texts = parts.eventEnd - parts.eventStart + parts.after.length + parts.stream.length
  json.reserve(frameBytes + texts * maxEscapedBytes + (parts.refs?.length ?? 0) * refBytes)
}

let lastStream = ''
let lastQuoted = '""'

/** Caches the last stream name: few streams exist, and records of one stream come in runs. */
function quoted(stream: string): string {
  if (stream !== lastStream) {
    lastStream = stream
    lastQuoted = JSON.stringify(stream)
  }
  return lastQuoted
}

/** Writes the envelope as the JSON of an event; see event-json.ts. */
function writeEvent(parts: DeliveryParts): void {
  const { event, eventStart, eventEnd } = parts
  if (!scanEnvelope(event, eventStart, eventEnd, view)) {
    throw new Error(`a delivery's envelope must have been accepted before, but ${view.fault}`)
  }
  field('{"subject":', event, eventStart + view.subjectAt, view.subjectLength)
  field(',"id":', event, eventStart + view.idAt, view.idLength)
  field(',"type":', event, eventStart + view.typeAt, view.typeLength)
  field(',"contentType":', event, eventStart + view.contentTypeAt, view.contentTypeLength)
  if (view.dataLength > 0) writeData(event, eventStart)
  number(',"publishedAtUs":', view.publishedAtUs)
  number(',"ttlMs":', view.ttlMs)
  field(',"collapseKey":', event, eventStart + view.collapseKeyAt, view.collapseKeyLength)
  if (view.priority !== 0) json.ascii(`,"priority":${view.priority}`)
  if (view.attributes > 0) writeAttributes(event.subarray(eventStart, eventEnd))
  json.ascii(view.deleted ? ',"deleted":true}' : '}')
}

/** Writes a string field unless it is empty. */
function field(name: string, event: Buffer, at: number, length: number): void {
  if (length > 0) json.named(name, event, at, at + length)
}

/** Writes a number field unless it is 0. */
function number(name: string, value: number): void {
  if (value === 0) return
  json.ascii(name)
  json.uint(value)
}

function writeData(event: Buffer, eventStart: number): void {
  const start = eventStart + view.dataAt
  const end = start + view.dataLength
  const form = formOf(event, eventStart)
  if (form === 'json') {
    const judged = scanJson(event, start, end)
    if (judged !== jsonText.invalid) {
      json.ascii(',"data":')
      if (judged === jsonText.line) json.raw(event, start, end)
      else json.rawOnOneLine(event, start, end)
      return
    }
  }
  if (form === 'text' && json.named(',"text":', event, start, end)) return
  json.ascii(',"base64":"')
  json.base64(event, start, end)
  json.ascii('"')
}

let lastType = ''
let lastForm: DataForm = 'base64'

/** Caches the last content type, since few types exist and equal ones come in runs. */
function formOf(event: Buffer, eventStart: number): DataForm {
  const at = eventStart + view.contentTypeAt
  const type = event.toString('utf8', at, at + view.contentTypeLength)
  if (type !== lastType) {
    lastType = type
    lastForm = dataForm(type)
  }
  return lastForm
}

/**
 * Decodes attributes into an object first: the map may repeat a key, and the last one wins. Only
 * events with attributes pay for this.
 */
function writeAttributes(envelope: Buffer): void {
  json.ascii(',"attributes":')
  json.text(JSON.stringify(decodeEvent(envelope).attributes))
}
