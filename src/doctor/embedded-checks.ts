import { bytes, duration } from '../base/numbers.ts'
import { type Finding, fail, pass, unknown, warn } from './finding.ts'
import type { FileSystem } from './host-reader.ts'
import { type Reach, retentionChecks } from './retention-checks.ts'

/** The embedded log, as configured. It is not opened, because a gateway may have it open. */
export interface EmbeddedFacts {
  readonly dir: string
  readonly fileSystem: FileSystem | undefined
  readonly retentionMs: number
  /** Retention size of a partition, bytes. */
  readonly retentionBytes: number
  readonly partitions: number
}

/** File systems without a disk, by the kernel's numbers: tmpfs, ramfs. */
const inMemory = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
])
/**
 * File systems of other hosts, by the kernel's numbers, on which the log's lock and memory map
 * are unreliable: NFS, SMB (two), 9p.
 */
const remote = new Set([0x6969, 0xff534d42, 0xfe534d42, 0x01021997])

export function embeddedChecks(facts: EmbeddedFacts, reach: Reach): Finding[] {
  const { retentionMs: ageMs, retentionBytes } = facts
  return [
    warn(
      'replication',
      '1 copy',
      'its events are lost with that one disk',
      'a cluster of Kafka or NATS, for events that must not be lost',
    ),
    pass('sync', 'always', 'an event is on disk before it is acknowledged or delivered'),
    ...retentionChecks(
      { ageMs, bytes: retentionBytes },
      reach,
      (ms) => `embedded.retentionMs: ${ms}`,
      (size) => `embedded.retentionBytes: ${size}`,
    ),
    storage(facts),
  ]
}

function storage({ dir, fileSystem, retentionBytes, partitions, retentionMs }: EmbeddedFacts): Finding {
  const check = 'storage'
  if (fileSystem === undefined)
    return unknown(check, `this system does not show the file system of ${dir}`, `df -T ${dir}`)
  const { type, freeBytes } = fileSystem
  const kind = inMemory.get(type)
  const fix = '--broker embedded:DIR, a directory on a disk of this host'
  if (kind !== undefined) return fail(check, `${dir} on ${kind}`, 'it is memory: a restart loses the events', fix)
  if (remote.has(type))
    return fail(check, `${dir} on another host's disk`, "the log's lock and sync need a disk of this host", fix)
  const most = retentionBytes * partitions
  const figure = `${dir}, ${bytes(freeBytes)} free`
  const reason = `${duration(retentionMs)} or ${bytes(most)} are kept, whichever is less`
  if (freeBytes >= most) return pass(check, figure, reason)
  return warn(
    check,
    figure,
    `${reason}: the disk may fill first, and publishing stops`,
    'embedded.retentionBytes below the free space divided by the partitions',
  )
}
