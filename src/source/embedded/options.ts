import { section, setting, whole } from '../../base/setting.ts'

export interface EmbeddedOptions {
  /** Directory of the log; created if it is missing. One process at a time. */
  readonly dir: string
  /**
   * Maximum size of a partition, bytes of encoded records: beyond it the oldest blocks are
   * dropped. 256 MiB are about 450,000 records of 512 bytes, and four partitions, as on a typical
   * single host, take up to 1 GiB of disk. A file never shrinks: freed space is reused, not
   * returned to the file system.
   */
  readonly retentionBytes: number
  /** Maximum age of a record, ms. */
  readonly retentionMs: number
  /** Interval of retention sweeps, ms. */
  readonly sweepIntervalMs: number
  /** Maximum blocks that one commit drops, so that publishes do not wait for a long commit. */
  readonly sweepBlocks: number
  /** Maximum size of a record's value, bytes. */
  readonly maxEventBytes: number
  /**
   * Maximum bytes of records queued for a commit; beyond it a publish is refused as `overloaded`.
   */
  readonly maxQueuedBytes: number
  /** Maximum bytes of records in one commit; the rest waits for the next. */
  readonly maxCommitBytes: number
  /**
   * Approximate size of the blocks in which records are stored and checksummed, bytes; a larger
   * record has a block to itself.
   */
  readonly blockBytes: number
  /** Records that a tail shows before it lets the event loop turn, by `turnWeight`; rounded up to whole blocks. */
  readonly turnRecords: number
}

export const embeddedSection = section('the embedded log', {
  retentionMs: setting(whole(1000, 2 ** 42), 7 * 24 * 3_600_000, 'retention by age'),
  retentionBytes: setting(whole(1 << 20, 2 ** 46), 256 << 20, 'retention by size of each partition'),
})

export const embeddedDefaults: Omit<EmbeddedOptions, 'dir'> = {
  ...embeddedSection.default,
  sweepIntervalMs: 1000,
  sweepBlocks: 256,
  maxEventBytes: 1 << 20,
  maxQueuedBytes: 64 << 20,
  maxCommitBytes: 4 << 20,
  blockBytes: 60 << 10,
  turnRecords: 1000,
}
