import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream'
import { CarillonError } from '../../base/errors.ts'
import type { StreamInfo } from '../source.ts'
import type { JetStreamApi, StreamFacts } from './api.ts'
import type { Layout } from './layout.ts'
import { serversOf } from './link.ts'
import type { NatsOptions } from './options.ts'

/**
 * A stream in Carillon is a family of JetStream streams, see `Layout`. The family consists of the
 * streams numbered from 0 up to the first missing number. Its incarnation is the creation time of
 * `NAME-0`. A single existing JetStream stream counts as a family of one.
 */

/** Concurrent requests for facts of streams. */
const probes = 8
/**
 * Names valid both in a stream name and as a token of a subject. JetStream allows at most 255
 * bytes including the number.
 */
const nameRule = /^[A-Za-z0-9_-]{1,200}$/

/** Valid names of a JetStream stream. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they end a protocol line
const streamNameRule = /^[^\s.*>/\\\u0000-\u001f\u007f]{1,255}$/

/** Throws `bad_request` for an invalid name of a family or a single stream. */
export function expectName({ name, isSingle }: Layout): void {
  if ((isSingle ? streamNameRule : nameRule).test(name)) return
  if (isSingle) {
    const said =
      'expected the name of a JetStream stream, 1 to 255 characters without spaces, dots, wildcards and slashes'
    throw new CarillonError('bad_request', `${said}, got ${JSON.stringify(name)}`)
  }
  const said = 'expected a stream name that NATS can carry, 1 to 200 letters, digits, "_" and "-"'
  throw new CarillonError('bad_request', `${said}, got ${JSON.stringify(name)}; rename the topic in the configuration`)
}

function expectPartitions(partitions: number, { maxPartitions }: Layout): void {
  if (Number.isInteger(partitions) && partitions >= 1 && partitions <= maxPartitions) return
  throw new CarillonError('bad_request', `expected 1 to ${maxPartitions} partitions, got ${partitions}`)
}

/**
 * Describes the current family; returns undefined while `NAME-0` does not exist. Throws
 * `stream_unusable` for streams with an unsuitable configuration.
 */
export async function describeFamily(api: JetStreamApi, layout: Layout): Promise<StreamInfo | undefined> {
  expectName(layout)
  const { name } = layout
  const zero = await api.stream(layout.stream(0))
  if (zero === undefined) return undefined
  expectUsable(layout, 0, zero)
  if (layout.isSingle) return { name, incarnation: zero.created, partitions: 1 }
  let partitions = 1
  for (;;) {
    const asked = Array.from({ length: probes }, (_, i) => partitions + i)
    const found = await Promise.all(asked.map((partition) => api.stream(layout.stream(partition))))
    const missing = found.indexOf(undefined)
    const there = missing < 0 ? found.length : missing
    for (let i = 0; i < there; i++) expectUsable(layout, partitions + i, found[i]!)
    partitions += there
    if (missing >= 0) return { name, incarnation: zero.created, partitions }
  }
}

/**
 * Returns the current facts of one partition. Rejects with `stream_missing` if its family was
 * deleted or re-created.
 */
export async function familyFacts(
  api: JetStreamApi,
  layout: Layout,
  { incarnation }: StreamInfo,
  partition: number,
): Promise<StreamFacts> {
  const name = layout.stream(partition)
  const zero = api.stream(layout.stream(0))
  const own = partition === 0 ? zero : api.stream(name)
  const [family, facts] = await Promise.all([zero, own])
  if (facts !== undefined && family?.created === incarnation) return facts
  const found = family === undefined || facts === undefined ? 'none' : 'a different one'
  const said = `expected stream ${name} of ${incarnation}, found ${found}`
  throw new CarillonError('stream_missing', `${said}; describe the stream again`)
}

/**
 * Creates the family unless `NAME-0` exists. `NAME-0` is created last, so the family appears once
 * it is complete. Rejects with `stream_missing` for a missing single stream, because Carillon does
 * not know its subjects.
 */
export async function createFamily(
  api: JetStreamApi,
  layout: Layout,
  partitions: number,
  options: NatsOptions,
): Promise<void> {
  expectName(layout)
  expectPartitions(partitions, layout)
  if ((await api.stream(layout.stream(0))) !== undefined) return
  if (layout.isSingle) {
    const how = createCommand(layout, partitions, serversOf(options), options)
    const said = `expected the JetStream stream ${layout.name}, found none: Carillon does not know its subjects`
    throw new CarillonError('stream_missing', `${said}; create it with: ${how}`)
  }
  for (let partition = partitions - 1; partition >= 0; partition--) {
    // An interrupted creation may have left it, and its configuration may differ.
    if (partition > 0 && (await api.stream(layout.stream(partition))) !== undefined) continue
    await api.addStream(configOf(layout, partition, options))
  }
}

function configOf(layout: Layout, partition: number, options: NatsOptions): Partial<StreamConfig> & { name: string } {
  return {
    name: layout.stream(partition),
    description: `Carillon: partition ${partition} of ${layout.name}`,
    subjects: [`${layout.prefix(partition)}>`],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    num_replicas: options.replicas,
    max_age: options.retentionMs * 1_000_000,
    allow_direct: true,
  }
}

/**
 * Returns the shell command that creates the family, `NAME-0` last. For a single stream, the
 * operator fills in the subjects.
 */
export function createCommand(
  { name, isSingle }: Layout,
  partitions: number,
  servers: string,
  options: NatsOptions,
): string {
  const safe = /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`
  const config = `--storage file --retention limits --discard old --replicas ${options.replicas}`
  const limits = `${config} --max-age ${Math.ceil(options.retentionMs / 1000)}s --allow-direct --defaults`
  if (isSingle) return `nats -s ${servers} stream add ${safe} --subjects SUBJECTS ${limits}`
  const loop = `n=${safe}; for i in $(seq ${partitions}); do p=$((${partitions}-i)); nats -s ${servers}`
  return `${loop} stream add "$n-$p" --subjects "$n.$p.>" ${limits}; done`
}

function expectUsable(layout: Layout, partition: number, facts: StreamFacts): void {
  const problem = setUpProblem(layout, partition, facts)
  if (problem !== '') throw new CarillonError('stream_unusable', problem)
}

/**
 * Returns why Carillon can't read records or keys from a partition's stream with this
 * configuration; '' = usable.
 */
export function setUpProblem(layout: Layout, partition: number, { config }: StreamFacts): string {
  const problem = problemOf(layout, partition, config)
  return problem === undefined ? '' : `JetStream stream ${layout.stream(partition)}: ${problem}`
}

function problemOf(layout: Layout, partition: number, config: StreamConfig): string | undefined {
  const prefix = layout.prefix(partition)
  if (config.retention !== RetentionPolicy.Limits) {
    const said = `expected limits as its retention, got ${config.retention}, which drops records once they are read`
    const isFixed = config.retention === RetentionPolicy.Workqueue
    return `${said}; ${isFixed ? 'the server never changes this retention: use another stream' : 'edit the stream'}`
  }
  if (layout.isSingle) return undefined
  const transform = config.subject_transform
  if (transform?.dest !== undefined && transform.dest !== '' && !transform.dest.startsWith(prefix)) {
    return `expected subjects that begin with ${prefix}, got a subject transform to ${transform.dest}, which drops the key; edit it`
  }
  if (transform?.dest) return undefined
  const sources = [...(config.sources ?? []), ...(config.mirror === undefined ? [] : [config.mirror])]
  if (sources.length > 0) {
    return `expected a stream with its own subjects, got one that copies ${sources.map((source) => source.name).join(', ')}`
  }
  const foreign = (config.subjects ?? []).filter((subject) => !subject.startsWith(prefix))
  if (foreign.length === 0 && config.subjects !== undefined && config.subjects.length > 0) return undefined
  const got = config.subjects?.join(', ') ?? 'none'
  return `expected the subjects ${prefix}>, where the key is the part after "${prefix}", got ${got}; edit the stream`
}
