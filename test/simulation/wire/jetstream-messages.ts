import { type Msg, MsgImpl } from '@nats-io/transport-node'
import { encodeHeaders } from '../../../src/source/jetstream/headers.ts'
import type { LogRecord } from '../partition-log.ts'

/** A message on a connection, for the subscription of the subject `to`. */
export interface WireMessage {
  readonly to: string
  readonly subject: string
  readonly reply?: string
  /** Encoded, including the empty line. */
  readonly headers?: Buffer
  readonly data: Buffer
}

const nothing = Buffer.alloc(0)

/**
 * Builds a message as the client library does from the bytes of a socket. Subject and payload are
 * in one piece or in two.
 */
export function received({ subject, reply = '', headers = nothing, data }: WireMessage, pieces: 1 | 2): Msg {
  // Other bytes precede the message, because its bounds count from the start of the chunk.
  const head = Buffer.from(`HMSG ${subject}${reply}`)
  const chunk = Buffer.concat([head, headers, data])
  const at = (start: number, length: number) => chunk.subarray(start, start + length)
  const subjectStart = 'HMSG '.length
  const subjectLength = Buffer.byteLength(subject)
  const payload = chunk.subarray(head.length)
  const argument = {
    subject: at(subjectStart, subjectLength),
    ...(reply === '' ? {} : { reply: at(subjectStart + subjectLength, head.length - subjectStart - subjectLength) }),
    sid: 1,
    hdr: headers.length === 0 ? -1 : headers.length,
    size: payload.length,
  }
  return new MsgImpl(argument, pieces === 1 ? payload : Uint8Array.from(payload), undefined as never) as unknown as Msg
}

/** Encodes a status such as `NATS/1.0 100 Idle Heartbeat`. */
export function statusHeaders(status: string, headers: Readonly<Record<string, string>> = {}): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`NATS/1.0 ${status}\r\n${lines.join('')}\r\n`)
}

/**
 * The time of a record: Unix ms, and the remaining nanoseconds, which differ for all records of a
 * stream.
 */
export function storedAt({ timeMs, offset }: LogRecord): { readonly ms: number; readonly ns: number } {
  const ms = Math.floor(timeMs)
  return { ms, ns: Math.floor((timeMs - ms) * 1000) * 1000 + (offset % 1000) }
}

/** Returns the same time in the format of the API. */
export function timeText(record: LogRecord): string {
  const { ms, ns } = storedAt(record)
  return `${new Date(ms).toISOString().slice(0, -1)}${String(ns).padStart(6, '0')}Z`
}

/** A record as a consumer sends it: its key in the subject, the rest in headers. */
export function recordMessage(stream: string, to: string, record: LogRecord, reply: string): WireMessage {
  const { partition, key, value } = record
  const subject = `${stream.slice(0, stream.lastIndexOf('-'))}.${partition}.${key === null ? '_' : key.toString()}`
  const headers = encodeHeaders({ partition, key, value }, `id.${record.offset}`)
  return { to, subject, reply, headers, data: value ?? nothing }
}

/** Counters of a consumer at a message. */
export interface Counted {
  readonly consumerSequence: number
  readonly pending: number
}

/** The reply subject, which identifies a message, in the formats before and since server 2.11. */
export function ackSubject(place: string, record: LogRecord, { consumerSequence, pending }: Counted): string {
  const { ms, ns } = storedAt(record)
  const time = `${ms}${String(ns).padStart(6, '0')}`
  return `$JS.ACK.${place}.1.${record.offset}.${consumerSequence}.${time}.${pending}`
}
