import { section, setting, whole } from '../../base/setting.ts'

export interface EmbeddedOptions {
  /** Where the log lives; created when it is missing. One process at a time. */
  readonly dir: string
  /**
   * What a partition keeps, bytes of encoded records: the oldest blocks are dropped beyond it. 256 MiB are about 450,000
   * records of 512 bytes, and four partitions, the usual single box, end at 1 GiB of disk. A file keeps the size that it
   * once had: freed space is used again, not given back.
   */
  readonly retentionBytes: number
  /** How old a record may grow, ms. */
  readonly retentionMs: number
  /** How often retention is looked after, ms. */
  readonly sweepIntervalMs: number
  /** Blocks that one commit drops at most, so that publishes wait for no long commit. */
  readonly sweepBlocks: number
  /** The largest value of a record, bytes. */
  readonly maxEventBytes: number
  /** Records that wait for a commit, bytes; beyond that a publish is refused as `overloaded`. */
  readonly maxQueuedBytes: number
  /** Records that one commit takes, bytes; the rest waits for the next. */
  readonly maxCommitBytes: number
  /** Records are stored and checksummed in blocks of about this size, bytes; a larger record has a block of its own. */
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
