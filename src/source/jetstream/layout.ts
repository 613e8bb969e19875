import type { NatsOptions } from './options.ts'

/** Which JetStream streams a topic is, and where the keys of their records stand. */
export interface Layout {
  /** The topic. */
  readonly name: string
  /** The topic is one JetStream stream, as somebody else made it. */
  readonly isSingle: boolean
  readonly maxPartitions: number
  /** The JetStream stream of a partition. */
  stream(partition: number): string
  /** What the NATS subjects of a partition have before the key. */
  prefix(partition: number): string
}

/** Partition p of NAME is the stream `NAME-p` with the subjects `NAME.p.>`: what stands behind `NAME.p.` is the key. */
export const familyLayout = (name: string): Layout => ({
  name,
  isSingle: false,
  maxPartitions: 4096,
  stream: (partition) => `${name}-${partition}`,
  prefix: (partition) => `${name}.${partition}.`,
})

/** Partition 0 of NAME is the stream NAME, whatever its subjects are: the whole subject is the key. */
export const singleLayout = (name: string): Layout => ({
  name,
  isSingle: true,
  maxPartitions: 1,
  stream: () => name,
  prefix: () => '',
})

export function layoutOf({ singleStreams }: Pick<NatsOptions, 'singleStreams'>, name: string): Layout {
  return singleStreams.includes(name) ? singleLayout(name) : familyLayout(name)
}
