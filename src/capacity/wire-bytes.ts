import { encodeDelivery } from '../wire/delivery.ts'
import { encodeEvent } from '../wire/envelope.ts'
import { encodePosition, logOf } from '../wire/token.ts'

/** Sizes of an event with a given number of data bytes along its way, bytes. */
export interface WireBytes {
  /** Key and value of its record in the broker. */
  readonly record: number
  /** Its protobuf frame, including the position. */
  readonly frame: number
  /** The frame over WebSocket on Ethernet, with all headers, in one segment or more. */
  readonly onWire: number
  /** The sum that yields `onWire`. */
  readonly sum: string
}

/** Subject and id of typical length: `alarm.zone7.door.c1234567`, a UUID. */
const subject = 'alarm.zone7.door.c1234567'
const id = '5f2b2f0e-3b9a-4f0e-9f6d-0a4d9f6b1c2e'
/** A position in a log that has existed for a while. */
const place = { stream: 'events', partition: 3, offset: 1e9 }
/** Overhead of a record in a Kafka batch: lengths, deltas, its share of the batch header. */
const recordOverhead = 20
/** Ethernet with preamble and gap 38, IPv4 20, TCP with timestamps 32. */
const segmentOverhead = 90
const segmentBytes = 1448

export function wireBytes(dataBytes: number): WireBytes {
  const publishedAtUs = 1_800_000_000_000_000
  const event = Buffer.from(encodeEvent({ subject, id, data: new Uint8Array(dataBytes), publishedAtUs }))
  const after = encodePosition({ ...logOf(place.stream, id), ...place, generation: 5 })
  const parts = { after, ...place, event, eventStart: 0, eventEnd: event.length }
  const frame = encodeDelivery('proto', parts).length
  const header = frame < 126 ? 2 : frame < 65_536 ? 4 : 10
  const segments = Math.ceil((frame + header) / segmentBytes)
  const onWire = frame + header + segments * segmentOverhead
  const sum = `${dataBytes} data + ${frame - dataBytes} envelope and position + ${header} WebSocket + ${segments} x ${segmentOverhead} Ethernet, IP, TCP`
  return { record: event.length + subject.length + recordOverhead, frame, onWire, sum }
}
