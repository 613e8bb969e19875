import type { Random } from '../../../src/base/random.ts'
import type { SimBroker } from '../broker.ts'
import type { PartitionLog } from '../partition-log.ts'
import type { Process, VirtualTime } from '../virtual-time.ts'
import type { ModelConnection, Sent, ServerEnd } from './jetstream-connection.ts'
import { Consumer, type ConsumerHost } from './jetstream-consumer.ts'
import { ArmedFaults } from './jetstream-faults.ts'
import { statusHeaders, storedAt, timeText } from './jetstream-messages.ts'
import type { JetStreamPublishing } from './jetstream-publishing.ts'

const api = '$JS.API.'
const nothing = Buffer.alloc(0)
const nsPerMs = 1e6

interface GetRequest {
  readonly seq: number
  /** Asks for the first message from the sequence on, of this subject. */
  readonly next_by_subj?: '>'
}

interface CreateRequest {
  readonly config: {
    readonly name: string
    readonly deliver_subject?: string
    readonly deliver_policy: 'by_start_sequence' | 'by_start_time'
    readonly opt_start_seq?: number
    readonly opt_start_time?: string
    readonly idle_heartbeat?: number
  }
}

/** An API error. */
class Refused extends Error {
  readonly error: { code: number; err_code: number; description: string }

  constructor(code: number, errCode: number, description: string) {
    super(description)
    this.error = { code, err_code: errCode, description }
  }
}

/**
 * One nats-server over the logs of one stream of a history. Partition p of NAME is the JetStream
 * stream `NAME-p`, as in the adapter.
 */
export class ModelServer implements ServerEnd, ConsumerHost {
  readonly process: Process
  readonly faults: ArmedFaults
  readonly connections = new Set<ModelConnection>()
  readonly consumers = new Map<string, Consumer>()
  /** Messages of a consumer in one burst. */
  batch = 20
  /** Subjects of the streams, if they differ from those of the partitions. */
  subjects: readonly string[] | undefined
  readonly #time: VirtualTime
  readonly #broker: SimBroker
  readonly #random: Random
  readonly #isLong: boolean
  /** Size of a record on disk, bytes. If it is large, a few records are a backlog. */
  readonly #recordBytes: number
  /** Number of rewrites of each log at the last check of its consumers. */
  readonly #rewrites = new WeakMap<PartitionLog, number>()
  readonly #publishing: JetStreamPublishing | undefined
  #downUntilMs = 0

  constructor(time: VirtualTime, broker: SimBroker, random: Random, publishing?: JetStreamPublishing) {
    this.#time = time
    this.#publishing = publishing
    this.#broker = broker
    this.#random = random
    this.process = broker.process
    this.faults = new ArmedFaults(random)
    this.#isLong = random.next() < 0.5
    this.#recordBytes = random.next() < 0.3 ? 20_000 : 200
  }

  get isUp(): boolean {
    return this.#time.nowMs >= this.#downUntilMs
  }

  /** Stops immediately, and restarts after `downMs` with what is on disk. */
  restart(downMs: number): void {
    this.#downUntilMs = this.#time.nowMs + downMs
    this.consumers.clear()
    for (const connection of [...this.connections]) {
      if (this.#random.next() < 0.5) connection.end('read ECONNRESET')
      else connection.cut('read ECONNRESET')
    }
    this.connections.clear()
  }

  // ServerEnd

  opened(connection: ModelConnection): void {
    this.connections.add(connection)
  }

  closed(connection: ModelConnection): void {
    this.connections.delete(connection)
    for (const [key, consumer] of this.consumers) if (consumer.connection === connection) this.consumers.delete(key)
  }

  published(connection: ModelConnection, sent: Sent): void {
    const { subject, reply } = sent
    // The message reached a server that has stopped since.
    if (!this.connections.has(connection)) return
    if (sent.headers !== undefined) this.#publishing?.sent(connection, sent)
    if (subject.startsWith('$JS.FC.')) this.#flowed(subject)
    if (!subject.startsWith(api) || this.faults.losesAnswer()) return
    const [kind = '', what = '', ...rest] = subject.slice(api.length).split('.')
    const question = `${kind}.${what}`
    const payload = sent.payload.toString()
    if (question === 'CONSUMER.MSG') this.#pull(connection, rest, payload, reply)
    else if (question === 'CONSUMER.DELETE') this.consumers.delete(`${rest[0]}.${rest[1]}`)
    else {
      const answer = JSON.stringify(this.#answer(question, rest, payload, connection))
      connection.send({ to: reply, subject: reply, data: Buffer.from(answer) })
    }
  }

  // ConsumerHost

  placeOf({ settings: { stream, name } }: Consumer): string {
    return this.#isLong ? `_.ACCOUNT.${stream}.${name}` : `${stream}.${name}`
  }

  isGone(consumer: Consumer): boolean {
    const { stream, name } = consumer.settings
    if (this.consumers.get(`${stream}.${name}`) !== consumer) return true
    const isThere = !this.#broker.missing && this.#broker.current.logs.includes(consumer.log)
    if (isThere && consumer.rewrites === consumer.log.rewrites.length) return false
    this.consumers.delete(`${stream}.${name}`)
    if (isThere) this.#rewritten(consumer.log)
    return true
  }

  soon(ms: number, run: () => void): void {
    this.#time.add(this.process, this.#random.next() * ms, run)
  }

  later(ms: number, run: () => void): void {
    this.#time.add(this.process, ms, run)
  }

  /**
   * Handles a log whose end moved back: the server restarted without unsynced records, or adopted
   * another server's log and dropped its consumers.
   */
  #rewritten(log: PartitionLog): void {
    if (this.#rewrites.get(log) === log.rewrites.length) return
    this.#rewrites.set(log, log.rewrites.length)
    if (this.#random.next() < 0.6) this.restart(this.#random.next() * 800)
  }

  #flowed(subject: string): void {
    const [, , stream, name] = subject.split('.')
    this.consumers.get(`${stream}.${name}`)?.flowed(subject)
  }

  // The API

  #answer(question: string, [stream = '', name = '']: string[], payload: string, connection: ModelConnection) {
    try {
      switch (question) {
        case 'STREAM.INFO':
          return this.#info(stream, this.#logOf(stream))
        case 'STREAM.MSG':
          return this.#get(this.#logOf(name), JSON.parse(payload))
        case 'CONSUMER.CREATE':
          return this.#create(connection, stream, this.#logOf(stream), JSON.parse(payload))
        case 'CONSUMER.INFO':
          return this.#consumer(stream, name)
      }
      throw new Error(`the model of the server has no ${question}`)
    } catch (error) {
      if (error instanceof Refused) return { error: error.error }
      throw error
    }
  }

  #consumer(stream: string, name: string) {
    const consumer = this.consumers.get(`${stream}.${name}`)
    if (consumer === undefined || this.isGone(consumer)) throw new Refused(404, 10014, 'consumer not found')
    const { sequence, next } = consumer
    return { stream_name: stream, name, delivered: { consumer_seq: sequence, stream_seq: next - 1 } }
  }

  #logOf(stream: string): PartitionLog | undefined {
    const { name, missing, current } = this.#broker
    if (missing || !stream.startsWith(`${name}-`)) return undefined
    return current.logs[Number(stream.slice(name.length + 1))]
  }

  #info(stream: string, log: PartitionLog | undefined) {
    if (log === undefined) throw new Refused(404, 10059, 'stream not found')
    const { first, end, messages } = this.faults.state(log)
    const { id } = this.#broker.current
    const subjects = this.subjects ?? [`${this.#broker.name}.${log.partition}.>`]
    // A stream without any record so far, and servers before 2.10, report no first sequence.
    const firstSequence = messages === 0 && end === 1 ? 0 : first
    this.faults.after('info', log, this.#time.nowMs)
    return {
      config: { name: stream, subjects, retention: 'limits', storage: 'file', num_replicas: 1 },
      created: log.partition === 0 ? id : `${id}, partition ${log.partition}`,
      state: { messages, bytes: messages * this.#recordBytes, first_seq: firstSequence, last_seq: end - 1 },
    }
  }

  #get(log: PartitionLog | undefined, { seq: sequence, next_by_subj: orNext }: GetRequest) {
    if (log === undefined) throw new Refused(404, 10059, 'stream not found')
    const record = log.entries.find(({ offset }) => (orNext === undefined ? offset === sequence : offset >= sequence))
    if (record === undefined) throw new Refused(404, 10037, 'no message found')
    this.faults.after('get', log, this.#time.nowMs)
    return {
      message: { subject: `${this.#broker.name}.${log.partition}.key`, seq: record.offset, time: timeText(record) },
    }
  }

  #create(connection: ModelConnection, stream: string, log: PartitionLog | undefined, { config }: CreateRequest) {
    if (log === undefined) throw new Refused(404, 10059, 'stream not found')
    const refusal = this.faults.refusal()
    if (refusal !== undefined) throw new Refused(refusal.code, refusal.err_code, refusal.description)
    const { name, deliver_subject: deliverTo, idle_heartbeat: heartbeatNs = 0 } = config
    const start = Math.min(log.end, Math.max(log.first, startOf(log, config)))
    const settings = {
      stream,
      name,
      start,
      deliverTo,
      heartbeatMs: heartbeatNs / nsPerMs,
      losing: this.faults.takeLosing(),
      batch: this.batch,
    }
    const consumer = new Consumer(this, log, connection, settings)
    this.consumers.set(`${stream}.${name}`, consumer)
    if (deliverTo !== undefined) consumer.begin()
    this.faults.after('create', log, this.#time.nowMs)
    const pending = log.entries.filter(({ offset }) => offset >= start).length
    return {
      stream_name: stream,
      name,
      config,
      delivered: { consumer_seq: 0, stream_seq: start - 1 },
      num_pending: pending,
    }
  }

  #pull(connection: ModelConnection, [, stream = '', name = '']: string[], payload: string, to: string): void {
    const consumer = this.consumers.get(`${stream}.${name}`)
    if (consumer === undefined || this.isGone(consumer)) {
      connection.send({ to, subject: to, headers: statusHeaders('503'), data: nothing })
      return
    }
    const { batch, max_bytes: maxBytes = Number.POSITIVE_INFINITY } = JSON.parse(payload)
    consumer.pull(to, { batch, maxBytes }, this.faults.takeEarly())
    this.faults.after('next', consumer.log, this.#time.nowMs)
  }
}

function startOf(
  log: PartitionLog,
  { deliver_policy: policy, opt_start_seq: sequence = 1, opt_start_time: time = '' }: CreateRequest['config'],
) {
  if (policy === 'by_start_sequence') return sequence
  const fraction = /\.(\d{9})/.exec(time)?.[1] ?? '000000000'
  const fromMs = Date.parse(time.replace(/\.\d+/, `.${fraction.slice(0, 3)}`))
  const fromNs = Number(fraction.slice(3))
  const isLater = ({ ms, ns }: ReturnType<typeof storedAt>) => ms > fromMs || (ms === fromMs && ns >= fromNs)
  return log.entries.find((record) => isLater(storedAt(record)))?.offset ?? log.end
}
