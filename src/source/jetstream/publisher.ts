import { isUtf8 } from 'node:buffer'
import { createInbox, type MsgHdrs, type MsgImpl, type NatsConnection } from '@nats-io/transport-node'
import type { Clock } from '../../base/clock.ts'
import { CarillonError } from '../../base/errors.ts'
import { LimitReached } from '../../base/limits.ts'
import { matches } from '../../subject/subject.ts'
import { backOffMs } from '../pause.ts'
import type { Ack, OutRecord, StreamInfo } from '../source.ts'
import { JetStreamApi } from './api.ts'
import { encodeHeaders } from './headers.ts'
import { type Flight, Lane, type Publication } from './lane.ts'
import { type Layout, layoutOf } from './layout.ts'
import { Link, type LinkContext, type LinkOwner } from './link.ts'
import type { NatsOptions } from './options.ts'
import { apiCode, deniedText, isLasting } from './problems.ts'

/** Interval of the check for overdue acknowledgements, ms. */
const beatMs = 100
/** Stands for a null key, because a subject needs a token there. */
const noKey = '_'
/** A protocol line has at most 4096 bytes, including the subject and the reply subject. */
const maxKeyBytes = 2048
/** Memory that a queued record takes beyond its own bytes, roughly. */
const recordBytes = 64
const nothing = new Uint8Array(0)
const zero = 48

/**
 * Publishes records through one lane for each partition, over a separate connection and inbox.
 * Bounds the bytes queued in all lanes.
 */
export class Publisher implements LinkOwner {
  readonly #options: NatsOptions
  readonly #clock: Clock
  readonly #link: Link
  readonly #api: JetStreamApi
  readonly #inbox: string
  /** Flights by the number at the end of their reply subject. */
  readonly #flights = new Map<number, Flight>()
  readonly #lanes = new Map<string, Lane>()
  readonly #asking = new Set<Lane>()
  /** Subjects that each single stream takes, as of the last request for them. */
  readonly #subjects = new Map<string, readonly string[]>()
  #ids = 0
  #queuedBytes = 0
  #closed = false
  #beating = false
  #cancelBeat: () => void = () => {}

  constructor(options: NatsOptions, context: LinkContext) {
    this.#options = options
    this.#clock = context.clock
    this.#link = new Link(options, context, this)
    this.#api = new JetStreamApi(this.#link, options, context.clock)
    this.#inbox = createInbox(options.inboxPrefix)
  }

  publish(stream: StreamInfo, records: readonly OutRecord[]): Promise<Ack[]> {
    if (records.length === 0) return Promise.resolve([])
    this.#link.start()
    const layout = layoutOf(this.#options, stream.name)
    if (!layout.isSingle || this.#untaken(layout, records) === undefined) return this.#enqueue(layout, records)
    const bytes = records.reduce((sum, { key, value }) => sum + recordBytes + lengthOf(key) + lengthOf(value), 0)
    this.#reserve(bytes)
    return this.#askWhatIsTaken(layout, records)
      .finally(() => {
        this.#queuedBytes -= bytes
      })
      .then(() => this.#enqueue(layout, records))
  }

  #enqueue(layout: Layout, records: readonly OutRecord[]): Promise<Ack[]> {
    if (this.#closed) return Promise.reject(this.#link.unavailable())
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#clock.monotonicMs() + this.#options.publishTimeoutMs
      const acks = new Array<Ack>(records.length)
      const publication: Publication = { acks, waiting: records.length, done: false, deadlineMs, resolve, reject }
      // Validates every record before the first one is sent.
      const flights = records.map((record, index) => this.#flight(layout, record, publication, index))
      this.#reserve(flights.reduce((sum, flight) => sum + flight.bytes, 0))
      for (const flight of flights) this.#flights.set(flight.id, flight)
      const lanes = new Set<Lane>()
      for (const flight of flights) {
        flight.lane.add(flight)
        lanes.add(flight.lane)
      }
      for (const lane of lanes) this.#send(lane)
      this.#startBeat()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelBeat()
    await this.#link.close()
    for (const lane of this.#lanes.values()) lane.failAll(this.#link.unavailable())
  }

  // LinkOwner

  up(connection: NatsConnection): void {
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#answered(message as MsgImpl, connection)
      },
    })
    const now = this.#clock.monotonicMs()
    for (const lane of this.#lanes.values()) {
      lane.resend(connection, now)
      lane.send(connection, now)
    }
  }

  /** Keeps the records in flight, which the next connection sends again. */
  down(): void {}

  denied(subject: string): void {
    const error = new CarillonError('publish_forbidden', deniedText(subject))
    for (const lane of this.#lanes.values()) lane.failSubject(subject, error)
  }

  // Single streams: NATS routes a record by its subject, so the stream must take that subject

  /** Returns the first key that is not among the stream's known subjects. */
  #untaken(layout: Layout, records: readonly OutRecord[]): string | undefined {
    const subjects = this.#subjects.get(layout.name) ?? []
    return records.map(({ key }) => keyOf(key, layout)).find((subject) => !isTaken(subjects, subject))
  }

  /**
   * Asks for the stream's subjects; rejects with `no_route` for a key that the stream does not
   * take.
   */
  async #askWhatIsTaken(layout: Layout, records: readonly OutRecord[]): Promise<void> {
    const stream = await this.#api.stream(layout.name)
    if (stream === undefined) throw missing(layout.name)
    this.#subjects.set(layout.name, stream.config.subjects ?? [])
    const subject = this.#untaken(layout, records)
    if (subject === undefined) return
    throw new CarillonError('no_route', `expected a subject that the stream on the broker takes, got "${subject}"`)
  }

  // Sending

  #flight(layout: Layout, record: OutRecord, publication: Publication, index: number): Flight {
    const { partition, key, value } = record
    const id = this.#ids++
    const lane = this.#lane(layout, partition)
    const headers = encodeHeaders(record, `${this.#inbox.slice(-22)}.${id}`)
    const payload = value ?? nothing
    this.#expectFits(headers.length + payload.length, partition)
    const subject = layout.prefix(partition) + keyOf(key, layout)
    const bytes = recordBytes + subject.length + headers.length + payload.length
    const reply = `${this.#inbox}.${id}`
    return {
      id,
      lane,
      publication,
      index,
      subject,
      headers: { encode: () => headers } as unknown as MsgHdrs,
      payload,
      reply,
      bytes,
      acknowledged: false,
      sentMs: 0,
    }
  }

  #expectFits(bytes: number, partition: number): void {
    const most = this.#link.current?.info?.max_payload
    if (most === undefined || bytes <= most) return
    const said = `expected at most ${most} bytes of headers and value (the server's max_payload), got ${bytes}`
    throw new CarillonError(
      'event_too_large',
      `${said} for partition ${partition}; publish a smaller event or raise it`,
    )
  }

  /**
   * Reserves queue space; throws `overloaded` above `maxQueuedBytes`. One call is always accepted
   * when the queue is empty.
   */
  #reserve(bytes: number): void {
    const { maxQueuedBytes } = this.#options
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > maxQueuedBytes) {
      const said = `expected at most ${maxQueuedBytes} bytes queued for NATS`
      throw new LimitReached('publishQueue', 'overloaded', `${said}, got ${bytes} more than fit; publish again later`)
    }
    this.#queuedBytes += bytes
  }

  #lane(layout: Layout, partition: number): Lane {
    const name = layout.stream(partition)
    let lane = this.#lanes.get(name)
    if (lane === undefined) {
      lane = new Lane(name, partition, this.#options, (flight) => this.#finished(flight))
      this.#lanes.set(name, lane)
    }
    return lane
  }

  #finished(flight: Flight): void {
    if (this.#flights.delete(flight.id)) this.#queuedBytes -= flight.bytes
  }

  #send(lane: Lane): void {
    lane.send(this.#link.current, this.#clock.monotonicMs())
  }

  // Acknowledgements

  #answered(message: MsgImpl, connection: NatsConnection): void {
    const { subject, hdr } = message._msg
    const flight = this.#flights.get(numberIn(subject, this.#inbox.length + 1))
    if (flight === undefined) return
    const { lane } = flight
    const data = message._rdata
    const offset = hdr > 0 ? -1 : acknowledgedSequence(data, lane.stream)
    if (offset > 0) {
      lane.acknowledged(flight, offset)
      this.#send(lane)
    } else if (hdr > 0) {
      // No stream takes the subject, the stream has no leader, or JetStream is starting.
      void this.#ask(lane, connection)
    } else {
      this.#refused(flight, data)
      this.#send(lane)
    }
  }

  #refused(flight: Flight, data: Uint8Array): void {
    const { lane, publication } = flight
    const { error, stream } = parseAnswer(data)
    if (error === undefined) {
      const said = `expected ${lane.stream} to take ${flight.subject}, but ${stream ?? 'another stream'} did`
      lane.failed(publication, new CarillonError('stream_unusable', `${said}; correct the subjects of the streams`))
      return
    }
    const failure = failureOf(lane.stream, error)
    if (failure !== undefined) {
      lane.failed(publication, failure)
      return
    }
    this.#pause(lane)
  }

  /** Pauses the lane, and then sends all its records again. */
  #pause(lane: Lane): void {
    const { retryMs, maxRetryMs } = this.#options
    const pauseMs = backOffMs(lane.failures++, retryMs, maxRetryMs)
    lane.pause(this.#clock.monotonicMs() + pauseMs)
    this.#clock.after(pauseMs, () => {
      const { current } = this.#link
      if (current === undefined || this.#closed) return
      lane.resend(current, this.#clock.monotonicMs())
      this.#send(lane)
    })
  }

  async #ask(lane: Lane, connection: NatsConnection): Promise<void> {
    if (this.#asking.has(lane) || connection !== this.#link.current) return
    this.#asking.add(lane)
    try {
      const stream = await this.#api.stream(lane.stream)
      this.#subjects.delete(lane.stream)
      if (stream === undefined) lane.failAll(missing(lane.stream))
      else {
        for (const subject of lane.subjects()) {
          if (!isTaken(stream.config.subjects ?? [], subject)) lane.failSubject(subject, untaken(lane.stream, subject))
        }
        this.#pause(lane)
      }
    } catch {
      this.#pause(lane)
    } finally {
      this.#asking.delete(lane)
    }
  }

  // Time

  #startBeat(): void {
    if (this.#beating || this.#closed) return
    this.#beating = true
    this.#cancelBeat = this.#clock.after(beatMs, () => this.#beat())
  }

  #beat(): void {
    this.#beating = false
    const now = this.#clock.monotonicMs()
    const { current } = this.#link
    for (const [name, lane] of this.#lanes) {
      if (lane.look(now) && current !== undefined) {
        void this.#link.suspect(current)
        lane.resend(current, now)
      }
      lane.send(current, now)
      if (lane.idle) this.#lanes.delete(name)
    }
    if (this.#lanes.size > 0) this.#startBeat()
  }
}

interface ApiFailure {
  readonly code: number
  readonly err_code: number
  readonly description: string
}

/** Returns the error for a refused record; undefined = temporary, so the record is sent again. */
function failureOf(stream: string, error: ApiFailure): CarillonError | undefined {
  const said = `stream ${stream} refuses the record: ${error.description} (${error.err_code})`
  const tooLarge = `stream ${stream} takes no record of this size; publish a smaller event or raise the stream's max_msg_size`
  switch (error.err_code) {
    case apiCode.messageTooLarge:
    case apiCode.headersTooLarge:
      return new CarillonError('event_too_large', tooLarge)
    case apiCode.insufficientResources:
    case apiCode.storageExceeded:
    case apiCode.memoryExceeded:
      return new CarillonError('storage_full', `${said}; give JetStream or the account more storage`)
    case apiCode.duplicateInProcess:
      return undefined
    case apiCode.storeFailed:
      if (/too large/.test(error.description)) return new CarillonError('event_too_large', tooLarge)
      return storeFailure(said, error.description)
  }
  return isLasting(error.code, error.err_code) ? new CarillonError('stream_unusable', said) : undefined
}

/**
 * Recognises "maximum bytes exceeded", "maximum messages exceeded" and similar, from a stream that
 * discards new records.
 */
function storeFailure(said: string, description: string): CarillonError | undefined {
  if (!/maximum|no space|insufficient|resource/.test(description)) return undefined
  return new CarillonError('storage_full', `${said}; raise the stream's limits, or let it discard old records`)
}

const missing = (stream: string) =>
  new CarillonError(
    'stream_missing',
    `expected the JetStream stream ${stream}, found none; create it or describe it again`,
  )

const lengthOf = (bytes: Uint8Array | null): number => bytes?.length ?? 0

const untaken = (stream: string, subject: string) =>
  new CarillonError(
    'stream_unusable',
    `expected the JetStream stream ${stream} to take "${subject}", which is not one of its subjects; edit it`,
  )

/**
 * Returns whether a subject of the stream matches. A leading wildcard does not match subjects with
 * a leading `$` or `_`, which belong to the server or are inboxes.
 */
function isTaken(subjects: readonly string[], subject: string): boolean {
  const isReserved = /^[$_]/.test(subject)
  return subjects.some((pattern) => !(isReserved && /^[*>]/.test(pattern)) && matches(pattern, subject))
}

/**
 * Returns the key as the rest of a subject, or as the whole subject of a single stream. Throws
 * `bad_event` for a key that no subject can contain.
 */
function keyOf(key: Uint8Array | null, { isSingle }: Layout): string {
  if (key === null && !isSingle) return noKey
  if (key === null) throw new CarillonError('bad_event', 'expected a key, which is the NATS subject, got none')
  const text = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('utf8')
  if (isKey.test(text) && key.length <= maxKeyBytes && isUtf8(key) && !wildcard.test(text)) return text
  const said = `expected a key that NATS can carry as a subject: tokens between single dots, without spaces or wildcards`
  throw new CarillonError('bad_event', `${said}, got ${JSON.stringify(text.slice(0, 256))}`)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they end a protocol line
const isKey = /^[^.\s\u0000-\u001f\u007f]+(\.[^.\s\u0000-\u001f\u007f]+)*$/
const wildcard = /(^|\.)[*>](\.|$)/

const ackStart = Buffer.from('{"stream":"')
const sequenceName = Buffer.from('"seq":')

/**
 * Returns the sequence of `{"stream":"NAME","seq":42,…}`; -1 for anything else, including another
 * stream's acknowledgement.
 */
function acknowledgedSequence(data: Uint8Array, stream: string): number {
  for (let i = 0; i < ackStart.length; i++) if (data[i] !== ackStart[i]) return -1
  for (let i = 0; i < stream.length; i++) if (data[ackStart.length + i] !== stream.charCodeAt(i)) return -1
  if (data[ackStart.length + stream.length] !== 34) return -1
  const at = Buffer.from(data.buffer, data.byteOffset, data.byteLength).indexOf(sequenceName, ackStart.length)
  if (at < 0) return -1
  let value = 0
  for (let i = at + sequenceName.length; i < data.length; i++) {
    const digit = data[i]! - zero
    if (digit === -16) continue
    if (digit < 0 || digit > 9) break
    value = value * 10 + digit
  }
  return value
}

function parseAnswer(data: Uint8Array): { error?: ApiFailure; stream?: string } {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8'))
  } catch {
    return {}
  }
}

function numberIn(bytes: Uint8Array, at: number): number {
  let value = 0
  for (let i = at; i < bytes.length; i++) value = value * 10 + bytes[i]! - zero
  return value
}
