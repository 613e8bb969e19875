import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream'
import { CarillonError } from '../../base/errors.ts'
import type { StreamInfo } from '../source.ts'
import type { JetStreamApi, StreamFacts } from './api.ts'
import type { Layout } from './layout.ts'
import { serversOf } from './link.ts'
import type { NatsOptions } from './options.ts'

/**
 * A stream as Carillon sees it is a family of JetStream streams, see `Layout`. The family is as long as its numbers go on from 0 without a hole, and its
 * incarnation is the time at which `NAME-0` was created. One JetStream stream as it is counts as a family of one.
 */

/** Streams that are asked for at once. */
const probes = 8
/** What can stand in the name of a stream and as a token of a subject; JetStream takes at most 255 bytes with the number. */
const nameRule = /^[A-Za-z0-9_-]{1,200}$/

/** What can be the name of a JetStream stream. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they end a protocol line
const streamNameRule = /^[^\s.*>/\\\u0000-\u001f\u007f]{1,255}$/

/** Throws `bad_request` for what can't be a family's name, or that of one stream. */
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

/** The family as it is now; undefined while there is no `NAME-0`. Throws `stream_unusable` for streams that are set up wrongly. */
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

/** One partition as it is now. Rejects with `stream_missing` when its family is gone or another one. */
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
  const found = family === undefined || facts === undefined ? 'none' : 'another one'
  const said = `expected stream ${name} of ${incarnation}, found ${found}`
  throw new CarillonError('stream_missing', `${said}; describe the stream again`)
}

/**
 * Creates the family unless there is a `NAME-0`, which is created last: the family is seen once it is complete. One stream as it is has subjects of which nothing is known
 * here: where it is missing this rejects with `stream_missing`.
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
    const said = `expected the JetStream stream ${layout.name}, found none, and only its owner knows its subjects`
    throw new CarillonError('stream_missing', `${said}; create it with: ${how}`)
  }
  for (let partition = partitions - 1; partition >= 0; partition--) {
    // One that is there already, after a creation that was interrupted, may be set up otherwise.
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

/** The command by which a person creates the family, `NAME-0` last; of one stream as it is the subjects are left to that person. */
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

/** Why records or their keys can't be read from a partition's stream as it is set up; '' where they can. */
export function setUpProblem(layout: Layout, partition: number, { config }: StreamFacts): string {
  const problem = problemOf(layout, partition, config)
  return problem === undefined ? '' : `JetStream stream ${layout.stream(partition)}: ${problem}`
}

function problemOf(layout: Layout, partition: number, config: StreamConfig): string | undefined {
  const prefix = layout.prefix(partition)
  if (config.retention !== RetentionPolicy.Limits) {
    const said = `expected limits as its retention, got ${config.retention}, which drops records once they are read`
    const isFixed = config.retention === RetentionPolicy.Workqueue
    return `${said}; ${isFixed ? 'the server changes no workqueue: use another stream' : 'edit the stream'}`
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
  return `expected the subjects ${prefix}>, of which what is behind "${prefix}" is the key, got ${got}; edit the stream`
}
