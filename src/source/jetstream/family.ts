import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream'
import { CarillonError } from '../../base/errors.ts'
import type { StreamInfo } from '../source.ts'
import type { JetStreamApi, StreamFacts } from './api.ts'
import type { NatsOptions } from './options.ts'

/**
 * A stream as Carillon sees it is a family of JetStream streams: partition p of NAME is the stream `NAME-p` with the subjects
 * `NAME.p.>`; what stands behind `NAME.p.` is a record's key. The family is as long as its numbers go on from 0 without a hole, and its
 * incarnation is the time at which `NAME-0` was created.
 */

/** Streams that are asked for at once. */
const probes = 8
const maxPartitions = 4096
/** What can stand in the name of a stream and as a token of a subject; JetStream takes at most 255 bytes with the number. */
const nameRule = /^[A-Za-z0-9_-]{1,200}$/

export const streamOf = (name: string, partition: number) => `${name}-${partition}`
/** What a subject has before the key. */
export const prefixOf = (name: string, partition: number) => `${name}.${partition}.`

/** Throws `bad_request` for what can't be a family's name. */
export function expectName(name: string): void {
  if (nameRule.test(name)) return
  const said = 'expected a stream name that NATS can carry, 1 to 200 letters, digits, "_" and "-"'
  throw new CarillonError('bad_request', `${said}, got ${JSON.stringify(name)}; rename the topic in the configuration`)
}

export function expectPartitions(partitions: number): void {
  if (Number.isInteger(partitions) && partitions >= 1 && partitions <= maxPartitions) return
  throw new CarillonError('bad_request', `expected 1 to ${maxPartitions} partitions, got ${partitions}`)
}

/** The family as it is now; undefined while there is no `NAME-0`. Throws `stream_unusable` for streams that are set up wrongly. */
export async function describeFamily(api: JetStreamApi, name: string): Promise<StreamInfo | undefined> {
  expectName(name)
  const zero = await api.stream(streamOf(name, 0))
  if (zero === undefined) return undefined
  expectUsable(name, 0, zero)
  let partitions = 1
  for (;;) {
    const asked = Array.from({ length: probes }, (_, i) => partitions + i)
    const found = await Promise.all(asked.map((partition) => api.stream(streamOf(name, partition))))
    const missing = found.indexOf(undefined)
    const there = missing < 0 ? found.length : missing
    for (let i = 0; i < there; i++) expectUsable(name, partitions + i, found[i]!)
    partitions += there
    if (missing >= 0) return { name, incarnation: zero.created, partitions }
  }
}

/** One partition as it is now. Rejects with `stream_missing` when its family is gone or another one. */
export async function familyFacts(api: JetStreamApi, stream: StreamInfo, partition: number): Promise<StreamFacts> {
  const name = streamOf(stream.name, partition)
  const zero = api.stream(streamOf(stream.name, 0))
  const own = partition === 0 ? zero : api.stream(name)
  const [family, facts] = await Promise.all([zero, own])
  if (facts !== undefined && family?.created === stream.incarnation) return facts
  const found = family === undefined || facts === undefined ? 'none' : 'another one'
  const said = `expected stream ${name} of ${stream.incarnation}, found ${found}`
  throw new CarillonError('stream_missing', `${said}; describe the stream again`)
}

/** Creates the family unless there is a `NAME-0`, which is created last: the family is seen once it is complete. */
export async function createFamily(
  api: JetStreamApi,
  name: string,
  partitions: number,
  options: NatsOptions,
): Promise<void> {
  expectName(name)
  expectPartitions(partitions)
  if ((await api.stream(streamOf(name, 0))) !== undefined) return
  for (let partition = partitions - 1; partition >= 0; partition--) {
    const stream = streamOf(name, partition)
    // One that is there already, after a creation that was interrupted, may be set up otherwise.
    if (partition > 0 && (await api.stream(stream)) !== undefined) continue
    await api.addStream(configOf(name, partition, options))
  }
}

function configOf(name: string, partition: number, options: NatsOptions): Partial<StreamConfig> & { name: string } {
  return {
    name: streamOf(name, partition),
    description: `Carillon: partition ${partition} of ${name}`,
    subjects: [`${prefixOf(name, partition)}>`],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    num_replicas: options.replicas,
    max_age: options.retentionMs * 1_000_000,
    allow_direct: true,
  }
}

/** The command by which a person creates the family, `NAME-0` last. */
export function createCommand(name: string, partitions: number, servers: string, options: NatsOptions): string {
  const safe = /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`
  const config = `--storage file --retention limits --discard old --replicas ${options.replicas}`
  const stream = `stream add "$n-$p" --subjects "$n.$p.>" ${config} --max-age ${Math.ceil(options.retentionMs / 1000)}s`
  const loop = `n=${safe}; for i in $(seq ${partitions}); do p=$((${partitions}-i)); nats -s ${servers}`
  return `${loop} ${stream} --allow-direct --defaults; done`
}

function expectUsable(name: string, partition: number, facts: StreamFacts): void {
  const problem = setUpProblem(name, partition, facts)
  if (problem !== '') throw new CarillonError('stream_unusable', problem)
}

/** Why records or their keys can't be read from a partition's stream as it is set up; '' where they can. */
export function setUpProblem(name: string, partition: number, { config }: StreamFacts): string {
  const problem = problemOf(name, partition, config)
  return problem === undefined ? '' : `JetStream stream ${streamOf(name, partition)}: ${problem}`
}

function problemOf(name: string, partition: number, config: StreamConfig): string | undefined {
  const prefix = prefixOf(name, partition)
  if (config.retention !== RetentionPolicy.Limits) {
    const said = `expected limits as its retention, got ${config.retention}, which drops records once they are read`
    return `${said}; edit the stream`
  }
  const transform = config.subject_transform
  if (transform?.dest !== undefined && transform.dest !== '' && !transform.dest.startsWith(prefix)) {
    return `expected subjects that begin with ${prefix}, got a subject transform to ${transform.dest}, which drops the key; edit it`
  }
  if (transform?.dest) return undefined
  const sources = [...(config.sources ?? []), ...(config.mirror === undefined ? [] : [config.mirror])]
  if (sources.length > 0) {
    return `expected a stream of its own subjects, got one that copies ${sources.map((source) => source.name).join(', ')}`
  }
  const foreign = (config.subjects ?? []).filter((subject) => !subject.startsWith(prefix))
  if (foreign.length === 0 && config.subjects !== undefined && config.subjects.length > 0) return undefined
  const got = config.subjects?.join(', ') ?? 'none'
  return `expected the subjects ${prefix}>, of which what is behind "${prefix}" is the key, got ${got}; edit the stream`
}
