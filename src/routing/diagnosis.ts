import { crc32 } from 'node:zlib'
import { murmur2 } from '../base/hash.ts'

/** Partition counts that a topic may have had before. */
const maxEarlierCount = 1024

/**
 * Why a record with this key may be in this partition, which is not that of its subject: the known mistakes of producers,
 * each with its mend.
 */
export function misroutedBecause(key: Buffer | undefined, partition: number, count: number): string {
  if (key === undefined || key.length === 0) {
    return 'the record has no key, so its producer chose the partition: set the key that "carillon routes SUBJECT" names'
  }
  const javas = murmur2(key, 0, key.length)
  if ((javas & 0x7fffffff) % count === partition) {
    return 'the key\'s own partition is right, but the route asks for another key of this event: "carillon routes SUBJECT" names it'
  }
  if (crc32(key) % count === partition) {
    return "its producer hashes keys with CRC32, librdkafka's default: set partitioner=murmur2_random there (kcat: -X partitioner=murmur2_random)"
  }
  if (javas % count === partition) {
    return 'its producer takes murmur2 without clearing the sign bit: give it a Java-compatible partitioner'
  }
  const earlier = earlierCount(javas & 0x7fffffff, partition, count)
  const guess = earlier === undefined ? '' : ` (with ${earlier} partitions, for example, it would be here)`
  return `neither murmur2 nor CRC32 of its key gives this partition: a partitioner of its own, or a partition count that changed${guess}`
}

function earlierCount(hash: number, partition: number, count: number): number | undefined {
  for (let earlier = count - 1; earlier > partition; earlier--) if (hash % earlier === partition) return earlier
  for (let later = count + 1; later <= maxEarlierCount; later++) if (hash % later === partition) return later
  return undefined
}
