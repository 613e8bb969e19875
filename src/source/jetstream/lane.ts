import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import { CarillonError } from '../../base/errors.ts'
import type { Ack } from '../source.ts'
import type { NatsOptions } from './options.ts'

/** The records of one call, all of which it waits for. */
export interface Publication {
  readonly acks: Ack[]
  waiting: number
  /** Settled: its other records are not sent (again). */
  done: boolean
  readonly deadlineMs: number
  readonly resolve: (acks: Ack[]) => void
  readonly reject: (error: CarillonError) => void
}

/** One record on its way. */
export interface Flight {
  /** The number at the end of `reply`. */
  readonly id: number
  readonly lane: Lane
  readonly publication: Publication
  /** Its place in the publication. */
  readonly index: number
  readonly subject: string
  /** As the library takes headers: it calls `encode` alone. */
  readonly headers: MsgHdrs
  readonly payload: Uint8Array
  /** Where its acknowledgement is to be sent. */
  readonly reply: string
  readonly bytes: number
  acknowledged: boolean
  sentMs: number
}

/**
 * The records of one partition, sent in their order and sent again in their order when the connection or an acknowledgement is lost; the
 * server knows by their ids which it has. One that was overtaken by a later record of its own call fails with the call: written
 * again it comes behind it. Where the later one's acknowledgement was lost, only their sequences tell.
 */
export class Lane {
  readonly stream: string
  readonly partition: number
  readonly #options: NatsOptions
  readonly #finished: (flight: Flight) => void
  #waiting: Flight[] = []
  #flying: Flight[] = []
  #flyingBytes = 0
  /** Until then nothing is sent, monotonic ms: after a refusal that passes. */
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

  /** Sends what may be in flight beside what is. */
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
      this.failed(publication, this.#unavailable('a record was written behind a later one'))
      return
    }
    publication.done = true
    publication.resolve(publication.acks)
  }

  /** The call fails; what else it has here is forgotten. */
  failed(publication: Publication, error: CarillonError): void {
    if (!publication.done) {
      publication.done = true
      publication.reject(error)
    }
    this.#land()
  }

  /** Those that records are on their way to. */
  subjects(): ReadonlySet<string> {
    return new Set([...this.#flying, ...this.#waiting].map(({ subject }) => subject))
  }

  /** The calls that have a record for `subject` fail. */
  failSubject(subject: string, error: CarillonError): void {
    for (const flight of [...this.#flying, ...this.#waiting]) {
      if (flight.subject === subject) this.failed(flight.publication, error)
    }
  }

  /** All fail: there is no such stream. */
  failAll(error: CarillonError): void {
    for (const { publication } of [...this.#flying, ...this.#waiting]) this.failed(publication, error)
    this.#dropWaiting()
  }

  /** Nothing is sent for a while. */
  pause(untilMs: number): void {
    this.#pausedUntilMs = untilMs
  }

  /** Gives up what is too old; true when an acknowledgement is overdue, so that all must be sent again. */
  look(nowMs: number): boolean {
    const late = [...this.#flying, ...this.#waiting].filter(({ publication }) => publication.deadlineMs <= nowMs)
    for (const { publication } of late) this.failed(publication, this.#tooLate())
    if (late.length > 0) this.#dropWaiting()
    const [oldest] = this.#flying
    return oldest !== undefined && nowMs - oldest.sentMs >= this.#options.publishAttemptMs
  }

  /** Sends again, in order, what is not acknowledged. */
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
      // A connection that ends in this moment tells of it, and all is sent over the next one.
      if (!connection.isClosed()) this.failed(flight.publication, this.#unavailable((error as Error).message))
    }
  }

  /** Drops from the front what is through; what a settled call still has there is not waited for. */
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

  /** What waits for calls that are settled is not to be sent, whether there is a connection or not. */
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

/** Whether sequences ascend within each partition. */
function isInOrder(acks: readonly Ack[]): boolean {
  if (acks.length === 1) return true
  const last = new Map<number, number>()
  for (const { partition, offset } of acks) {
    if (offset <= (last.get(partition) ?? 0)) return false
    last.set(partition, offset)
  }
  return true
}
