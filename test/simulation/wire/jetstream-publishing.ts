import { type Random, seededRandom } from '../../../src/base/random.ts'
import { type NatsOptions, natsDefaults } from '../../../src/source/jetstream/options.ts'
import type { LogOwner } from '../log-owner.ts'
import type { LogRecord, PartitionLog } from '../partition-log.ts'
import type { ClusterSurroundings } from '../simulated-source.ts'
import { AdapterPublishers, type PublishingSource } from './adapter-publishers.ts'
import type { ModelConnection, Sent } from './jetstream-connection.ts'
import { statusHeaders } from './jetstream-messages.ts'
import { Published } from './published.ts'

type Surroundings = Pick<ClusterSurroundings, 'time' | 'broker' | 'truth' | 'verdict'>
type PublishOptions = Pick<NatsOptions, 'publishTimeoutMs' | 'publishAttemptMs' | 'maxFlyingRecords' | 'maxQueuedBytes'>

/** What happens to a record that a server does not store normally. */
type Trouble =
  | 'lost'
  | 'unacknowledged'
  | 'late'
  | { readonly code: number; readonly err_code: number; description: string }

/** Share of the histories in which gateways publish. */
const share = 0.4
/** Share of the records at which a server's trouble begins, and its duration at most, ms. */
const troubleShare = 0.04
const troubleMs = 1200
/** Delay of an acknowledgement in that case, ms, at most. */
const lateMs = 400
const nothing = Buffer.alloc(0)
const idLine = /^Nats-Msg-Id: (.*)$/m

const troubles: readonly Trouble[] = [
  'lost',
  'unacknowledged',
  'late',
  { code: 503, err_code: 10008, description: 'JetStream system temporarily unavailable' },
  { code: 503, err_code: 10077, description: 'raft: not leader' },
  { code: 409, err_code: 10158, description: 'duplicate message id is in process' },
]

const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!

/** Publishing through the adapters: what gateways send, and how the server handles it. */
export class JetStreamPublishing {
  readonly options: PublishOptions
  readonly published: Published
  readonly owner: LogOwner
  readonly sources = new Set<PublishingSource>()
  readonly #surroundings: Surroundings
  readonly #random: Random
  /** By log: records by message id, within the duplicate window. */
  readonly #ids = new WeakMap<PartitionLog, Map<string, LogRecord>>()
  #trouble: Trouble = 'late'
  #troubledUntilMs = 0
  #isHealed = false

  /**
   * Draws with a separate sequence of random numbers whether gateways publish in the history;
   * undefined = they do not.
   */
  static draw(seed: number, surroundings: Surroundings): JetStreamPublishing | undefined {
    const random = seededRandom(seed ^ 0x1f83d9ab)
    return random.next() < share ? new JetStreamPublishing(surroundings, random) : undefined
  }

  private constructor(surroundings: Surroundings, random: Random) {
    this.#surroundings = surroundings
    this.#random = random
    this.options = {
      publishTimeoutMs: pick(random, [2000, natsDefaults.publishTimeoutMs]),
      publishAttemptMs: pick(random, [500, natsDefaults.publishAttemptMs]),
      maxFlyingRecords: pick(random, [1, 3, natsDefaults.maxFlyingRecords]),
      maxQueuedBytes: pick(random, [1500, natsDefaults.maxQueuedBytes, natsDefaults.maxQueuedBytes]),
    }
    this.published = new Published(surroundings, false)
    this.owner = new AdapterPublishers(surroundings, this.published, this.sources, random)
  }

  heal(): void {
    this.#isHealed = true
  }

  /** Handles a record that reached the server. */
  sent(connection: ModelConnection, { subject, payload, headers, reply: to }: Sent): void {
    const { broker } = this.#surroundings
    const [name = '', number = '', ...key] = subject.split('.')
    const log = name === broker.name && !broker.missing ? broker.current.logs[Number(number)] : undefined
    if (log === undefined) {
      connection.send({ to, subject: to, headers: statusHeaders('503'), data: nothing })
      return
    }
    const trouble = this.#troubleNow()
    if (trouble === 'lost') return
    const answer = (said: object, afterMs = 0) => {
      const data = Buffer.from(JSON.stringify(said))
      if (afterMs === 0) connection.send({ to, subject: to, data })
      else this.#surroundings.time.add(broker.process, afterMs, () => connection.send({ to, subject: to, data }))
    }
    const stream = `${name}-${number}`
    if (typeof trouble === 'object') {
      answer({ error: trouble, stream, seq: 0 })
      return
    }
    const id = idLine.exec(Buffer.from(headers!).toString('latin1'))?.[1]?.trim() ?? ''
    const known = this.#known(log, id)
    const record = known ?? this.#write(log, Buffer.from(key.join('.')), payload, id)
    if (trouble === 'unacknowledged' || record === undefined) return
    const said = { stream, seq: record.offset, ...(known === undefined ? {} : { duplicate: true }) }
    answer(said, trouble === 'late' ? this.#random.next() * lateMs : 0)
  }

  #troubleNow(): Trouble | undefined {
    if (this.#isHealed) return undefined
    const { nowMs } = this.#surroundings.time
    const random = this.#random
    if (nowMs >= this.#troubledUntilMs && random.next() < troubleShare) {
      this.#troubledUntilMs = nowMs + random.next() * troubleMs
      this.#trouble = pick(random, troubles)
    }
    return nowMs < this.#troubledUntilMs && random.next() < 0.7 ? this.#trouble : undefined
  }

  #write(log: PartitionLog, key: Buffer, value: Buffer, id: string): LogRecord | undefined {
    const { time, broker, truth, verdict } = this.#surroundings
    const submission = this.published.sent(log.partition, key, value)
    if (submission === undefined) return undefined
    const record = log.append({ ...submission.record, timeMs: broker.process.nowUs() / 1000 }, time.nowMs)
    truth.add(record)
    const { partition, offset, event } = record
    this.published.written(submission, record, offset, offset + 1)
    this.#ids.set(log, (this.#ids.get(log) ?? new Map<string, LogRecord>()).set(id, record))
    verdict.note(() => `a gateway published ${event?.subject} "${event?.id}" @${partition}/${offset}`)
    return record
  }

  /** Returns the record with this message id. Records that a rewrite removed are forgotten. */
  #known(log: PartitionLog, id: string): LogRecord | undefined {
    const record = this.#ids.get(log)?.get(id)
    return record?.gone === 'rewritten' ? undefined : record
  }
}
