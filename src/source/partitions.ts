import { CarillonError } from '../base/errors.ts'
import type { StreamInfo } from './source.ts'

/** Returns the error for a partition that the stream does not have. */
export function noPartition({ name, partitions }: Omit<StreamInfo, 'incarnation'>, partition: number): CarillonError {
  const problem = `expected a partition below ${partitions} of stream ${name}, got ${partition}`
  return new CarillonError('stream_missing', `${problem}; describe the stream again`)
}

/**
 * Throws if a tail of the stream cannot start to read `partition`. `isRead` returns whether the
 * tail reads a partition already.
 */
export function expectAbsent(
  stream: Omit<StreamInfo, 'incarnation'>,
  partition: number,
  isRead: (partition: number) => boolean,
): void {
  if (!Number.isInteger(partition) || partition < 0 || partition >= stream.partitions) {
    throw noPartition(stream, partition)
  }
  if (!isRead(partition)) return
  const problem = `expected a partition that this tail does not read, got ${partition} of stream ${stream.name}`
  throw new CarillonError('internal', `${problem}; drop it first`)
}
