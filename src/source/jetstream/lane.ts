import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import { CarillonError } from '../../base/errors.ts'
import type { Ack } from '../source.ts'
import type { NatsOptions } from './options.ts'

/** The records of one publish call, which completes once all are acknowledged. */
export interface Publication {
  readonly acks: Ack[]
  waiting: number
  /** Settled; its remaining records are not sent (again). */
  done: boolean
  readonly deadlineMs: number
  readonly resolve: (acks: Ack[]) => void
  readonly reject: (error: CarillonError) => void
}

/** One record to publish. */
export interface Flight {
  /** The number that ends `reply`. */
  readonly id: number
  readonly lane: Lane
  readonly publication: Publication
  /** Index in the publication. */
  readonly index: number
  readonly subject: string
  /** In the library's shape of headers; the library only calls `encode`. */
  readonly headers: MsgHdrs
  readonly payload: Uint8Array
  /** The subject for its acknowledgement. */
  readonly reply: string
  readonly bytes: number
  acknowledged: boolean
  sentMs: number
}

/**
 * Publishes the records of one partition in order, and sends them again in order after a lost
 * connection or acknowledgement. The server recognises duplicates by their ids. If a later record
 * of the same call overtakes a record, the call fails: sending the record again would store it
 * after the later one. If the later one's acknowledgement was lost, only their sequences show it.
 */
export class Lane {
  readonly stream: string
  readonly partition: number
  readonly #options: NatsOptions
  readonly #finished: (flight: Flight) => void
  #waiting: Flight[] = []
  #flying: Flight[] = []
  #flyingBytes = 0
  /** Sends nothing before this time, monotonic ms: set after a temporary refusal. */
  #pausedUntilMs = 0
  failures = 0

  constructor(stream: string, partition: number, options: NatsOptions, finished: (flight: Flight) => void) {
    this.stream = stream
    this.partition = partition
    this.#options = options
    this.#finished = finished
  }

  get idle(): boolean {
    return this.#waiting.length === 0 && this.#flying.length === 0
  }

  add(flight: Flight): void {
    this.#waiting.push(flight)
  }

  /** Sends waiting records up to the limits of records and bytes in flight. */
  send(connection: NatsConnection | undefined, nowMs: number): void {
    if (connection === undefined || nowMs < this.#pausedUntilMs) return
    const { maxFlyingRecords, maxFlyingBytes } = this.#options
    let sent = 0
    for (const flight of this.#waiting) {
      const full = this.#flying.length >= maxFlyingRecords || this.#flyingBytes + flight.bytes > maxFlyingBytes
      if (full && this.#flying.length > 0) break
      sent++
      if (flight.publication.done) this.#finished(flight)
      else this.#take(flight, connection, nowMs)
    }
    if (sent > 0) this.#waiting.splice(0, sent)
  }

  acknowledged(flight: Flight, offset: number): void {
    if (flight.acknowledged) return
    flight.acknowledged = true
    this.failures = 0
    this.#finished(flight)
    this.#land()
    const { publication, index } = flight
    publication.acks[index] = { partition: this.partition, offset }
    if (--publication.waiting > 0 || publication.done) return
    if (!isInOrder(publication.acks)) {
      this.failed(publication, this.#unavailable('a record was stored after a later one'))
      return
    }
    publication.done = true
    publication.resolve(publication.acks)
  }

  /** Fails the call and drops its other records in this lane. */
  failed(publication: Publication, error: CarillonError): void {
    if (!publication.done) {
      publication.done = true
      publication.reject(error)
    }
    this.#land()
  }

  /** Returns the subjects of all records in flight or waiting. */
  subjects(): ReadonlySet<string> {
    return new Set([...this.#flying, ...this.#waiting].map(({ subject }) => subject))
  }

  /** Fails every call that has a record for `subject`. */
  failSubject(subject: string, error: CarillonError): void {
    for (const flight of [...this.#flying, ...this.#waiting]) {
      if (flight.subject === subject) this.failed(flight.publication, error)
    }
  }

  /** Fails all calls: the stream is missing or the publisher closed. */
  failAll(error: CarillonError): void {
    for (const { publication } of [...this.#flying, ...this.#waiting]) this.failed(publication, error)
    this.#dropWaiting()
  }

  /** Stops sending until `untilMs`, monotonic ms. */
  pause(untilMs: number): void {
    this.#pausedUntilMs = untilMs
  }

  /**
   * Fails calls past their deadline. Returns true if an acknowledgement is overdue, so that all
   * records must be sent again.
   */
  look(nowMs: number): boolean {
    const late = [...this.#flying, ...this.#waiting].filter(({ publication }) => publication.deadlineMs <= nowMs)
    for (const { publication } of late) this.failed(publication, this.#tooLate())
    if (late.length > 0) this.#dropWaiting()
    const [oldest] = this.#flying
    return oldest !== undefined && nowMs - oldest.sentMs >= this.#options.publishAttemptMs
  }

  /** Sends unacknowledged records again, in order. */
  resend(connection: NatsConnection, nowMs: number): void {
    this.#rejectOvertaken()
    for (const flight of this.#flying) if (!flight.acknowledged) this.#publish(flight, connection, nowMs)
  }

  #rejectOvertaken(): void {
    const overtaken = new Map<Publication, boolean>()
    for (const { publication, acknowledged } of this.#flying) {
      if (!acknowledged) overtaken.set(publication, overtaken.get(publication) ?? false)
      else if (overtaken.has(publication)) overtaken.set(publication, true)
    }
    for (const [publication, is] of overtaken) {
      if (is) this.failed(publication, this.#unavailable('a record was not acknowledged, but a later one was'))
    }
  }

  #take(flight: Flight, connection: NatsConnection, nowMs: number): void {
    this.#flying.push(flight)
    this.#flyingBytes += flight.bytes
    this.#publish(flight, connection, nowMs)
  }

  #publish(flight: Flight, connection: NatsConnection, nowMs: number): void {
    const { subject, payload, headers, reply } = flight
    flight.sentMs = nowMs
    try {
      connection.publish(subject, payload, { headers, reply })
    } catch (error) {
      // When the connection is closing, its end is reported separately and the next one sends all
      // records again.
      if (!connection.isClosed()) this.failed(flight.publication, this.#unavailable((error as Error).message))
    }
  }

  /** Drops finished records from the front, including unacknowledged records of settled calls. */
  #land(): void {
    let landed = 0
    for (const flight of this.#flying) {
      if (!flight.acknowledged && !flight.publication.done) break
      landed++
      this.#flyingBytes -= flight.bytes
      if (!flight.acknowledged) {
        flight.acknowledged = true
        this.#finished(flight)
      }
    }
    if (landed > 0) this.#flying.splice(0, landed)
  }

  /** Drops waiting records of settled calls, with or without a connection. */
  #dropWaiting(): void {
    for (const flight of this.#waiting) if (flight.publication.done) this.#finished(flight)
    this.#waiting = this.#waiting.filter(({ publication }) => !publication.done)
  }

  #tooLate(): CarillonError {
    return this.#unavailable(`no acknowledgement within ${this.#options.publishTimeoutMs} ms`)
  }

  #unavailable(why: string): CarillonError {
    return new CarillonError('broker_unavailable', `stream ${this.stream}: ${why}; publish again later`)
  }
}

/** Returns whether sequences ascend within each partition. */
function isInOrder(acks: readonly Ack[]): boolean {
  if (acks.length === 1) return true
  const last = new Map<number, number>()
  for (const { partition, offset } of acks) {
    if (offset <= (last.get(partition) ?? 0)) return false
    last.set(partition, offset)
  }
  return true
}
