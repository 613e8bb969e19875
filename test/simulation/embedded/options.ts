import type { Random } from '../../../src/base/random.ts'
import { type EmbeddedOptions, embeddedDefaults } from '../../../src/source/embedded/options.ts'
import { maxEventBytes } from '../gateway-size.ts'

const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!

/** Limits that are met in a few seconds, or not at all. */
export function drawOptions(random: Random): EmbeddedOptions {
  return {
    ...embeddedDefaults,
    dir: '/simulated',
    maxEventBytes,
    retentionBytes: pick(random, [600, 2500, 10_000, embeddedDefaults.retentionBytes, embeddedDefaults.retentionBytes]),
    retentionMs: pick(random, [1500, 6000, embeddedDefaults.retentionMs, embeddedDefaults.retentionMs]),
    sweepIntervalMs: pick(random, [200, 1000]),
    sweepBlocks: pick(random, [1, 2, 256]),
    maxQueuedBytes: pick(random, [3000, embeddedDefaults.maxQueuedBytes, embeddedDefaults.maxQueuedBytes]),
    maxCommitBytes: pick(random, [500, embeddedDefaults.maxCommitBytes]),
    blockBytes: pick(random, [200, 800, embeddedDefaults.blockBytes]),
    turnRecords: pick(random, [1, 4, 1000]),
  }
}
