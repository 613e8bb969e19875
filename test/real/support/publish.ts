import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import { type Kafka, Partitioners, type Producer } from 'kafkajs'
import { murmur2 } from '../../../src/base/hash.ts'
import { encodeEvent } from '../../../src/wire/envelope.ts'
import { kafkaHome } from '../../brokers/kafka-install.ts'

/** Subjects and texts, to be published in this order. */
export type Events = readonly (readonly [subject: string, data: string])[]

/** An event in the log: what was published and where it went. */
export interface Written {
  readonly subject: string
  readonly data: string
  readonly partition: number
  readonly offset: number
}

export interface RawRecord {
  readonly key: string | Buffer | null
  readonly value: Buffer | null
  /** Undefined = as the partitioner says. */
  readonly partition?: number
}

/** The value of a record: the event as protobuf, with text as its data. */
export function envelope(subject: string, data: string): Buffer {
  const fields = { subject, contentType: 'text/plain', data: Buffer.from(data), publishedAtUs: Date.now() * 1000 }
  return Buffer.from(encodeEvent(fields))
}

/** Where Kafka's own default partitioner puts records of this key. */
export function javaPartition(key: string, partitions: number): number {
  const bytes = Buffer.from(key)
  return (murmur2(bytes, 0, bytes.length) & 0x7fffffff) % partitions
}

/** A subject below `prefix` that CRC32 puts into another partition than murmur2 does. */
export function movedByCrc32(prefix: string, partitions: number): string {
  for (let i = 0; ; i++) {
    const key = `${prefix}.${i}`
    if (crc32(key) % partitions !== javaPartition(key, partitions)) return key
  }
}

/** A publisher outside of Carillon: kafkajs, whose default partitioner is the Java client's. */
export class KafkaPublisher {
  readonly #producer: Producer
  readonly #crc32: Producer
  #connected: Promise<unknown> | undefined

  constructor(kafka: Kafka) {
    this.#producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
    // librdkafka's default, `consistent_random`: CRC32 of the key.
    this.#crc32 = kafka.producer({
      createPartitioner: () => {
        return ({ partitionMetadata, message }) => crc32(message.key as Buffer) % partitionMetadata.length
      },
    })
  }

  /** One after the other, each acknowledged; the places come from the acknowledgements. */
  async events(topic: string, events: Events): Promise<Written[]> {
    const written: Written[] = []
    for (const [subject, data] of events) {
      const place = await this.raw(topic, { key: subject, value: envelope(subject, data) })
      written.push({ subject, data, ...place })
    }
    return written
  }

  async raw(topic: string, record: RawRecord): Promise<{ partition: number; offset: number }> {
    return this.#send(this.#producer, topic, record)
  }

  /** As a librdkafka producer does that was not told otherwise. */
  async withCrc32(topic: string, subject: string, data: string): Promise<{ partition: number; offset: number }> {
    return this.#send(this.#crc32, topic, { key: Buffer.from(subject), value: envelope(subject, data) })
  }

  /** All at once in one batch a partition. */
  async batch(topic: string, events: Events): Promise<void> {
    await this.#connect()
    const messages = events.map(([subject, data]) => ({ key: subject, value: envelope(subject, data) }))
    await this.#producer.send({ topic, messages })
  }

  async close(): Promise<void> {
    await this.#producer.disconnect()
    await this.#crc32.disconnect()
  }

  async #send(producer: Producer, topic: string, record: RawRecord): Promise<{ partition: number; offset: number }> {
    await this.#connect()
    const { key, value, partition } = record
    const message = { key, value, ...(partition === undefined ? {} : { partition }) }
    const [metadata] = await producer.send({ topic, messages: [message] })
    return { partition: metadata!.partition, offset: Number(metadata!.baseOffset) }
  }

  #connect(): Promise<unknown> {
    this.#connected ??= Promise.all([this.#producer.connect(), this.#crc32.connect()])
    return this.#connected
  }
}

const javaSource = fileURLToPath(new URL('../../brokers/Produce.java', import.meta.url))

/** Publishes with Kafka's own Java producer, which chooses the partitions; `settings` are its properties, `NAME=VALUE`. */
export async function publishWithJava(
  broker: string,
  topic: string,
  events: Events,
  settings: readonly string[] = [],
): Promise<void> {
  const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'
  const options = ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', quiet, '-cp', kafkaHome.classPath]
  const lines = events.map(([subject, data]) => `${subject} ${envelope(subject, data).toString('base64')}\n`)
  await run('java', [...options, javaSource, broker, topic, ...settings], lines.join(''))
}

interface OneRecord {
  readonly topic: string
  readonly subject: string
  readonly file: string
}

/** Publishes with kcat: one record, its value from a file, since kcat splits standard input at line breaks. */
export async function publishWithKcat(
  broker: string,
  { topic, subject, file }: OneRecord,
  settings: readonly string[],
): Promise<void> {
  const extra = settings.flatMap((setting) => ['-X', setting])
  await run('kcat', ['-P', '-b', broker, '-t', topic, ...extra, '-k', subject, file], '')
}

/** Why that program can't be used here; false when it can. */
export function missingProgram(program: string, argument: string): string | false {
  const found = spawnSync(program, [argument], { stdio: 'ignore' })
  return found.error === undefined ? false : `${program} is not installed`
}

async function run(command: string, args: readonly string[], input: string | Buffer): Promise<void> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output = (output + chunk).slice(-8192)
    })
  }
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${output}`)
}
