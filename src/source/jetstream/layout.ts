import type { NatsOptions } from './options.ts'

/** Maps a topic to JetStream streams, and the keys of records to subjects. */
export interface Layout {
  /** The topic's name. */
  readonly name: string
  /** The topic is a single existing JetStream stream. */
  readonly isSingle: boolean
  readonly maxPartitions: number
  /** Returns the JetStream stream of a partition. */
  stream(partition: number): string
  /** Returns the part of a partition's NATS subjects before the key. */
  prefix(partition: number): string
}

/**
 * Partition p of NAME is the stream `NAME-p` with the subjects `NAME.p.>`; the part after
 * `NAME.p.` is the key.
 */
export const familyLayout = (name: string): Layout => ({
  name,
  isSingle: false,
  maxPartitions: 4096,
  stream: (partition) => `${name}-${partition}`,
  prefix: (partition) => `${name}.${partition}.`,
})

/** Partition 0 of NAME is the stream NAME, with any subjects; the whole subject is the key. */
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
