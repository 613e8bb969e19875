import type { Mutant } from './mutant.ts'

export const operationsMutants: readonly Mutant[] = [
  {
    name: 'the lag of a partition is counted from its window',
    file: 'admin/server.ts',
    from: 'each.head - each.read)',
    to: 'each.head - each.windowTail)',
    by: { unit: 'test/admin/server.test.ts' },
    breaks: '`lag` of the status is what this gateway has not read',
  },
  {
    name: 'messages that were left out are not counted',
    file: 'telemetry/logger.ts',
    from: 'suppressed === 0 ? fields : { ...fields, suppressed }',
    to: 'fields',
    by: { unit: 'test/telemetry/logger.test.ts' },
    breaks: 'a message that was held back says how often',
  },
  {
    name: 'the first delivery of an event is forgotten for a later one',
    file: 'telemetry/stream-traces.ts',
    from: 'return 1 + ((delivery - 1) % (this.#most - 1))',
    to: 'return delivery % this.#most',
    by: { unit: 'test/telemetry/stream-traces.test.ts' },
    breaks: 'a trace has the first delivery and the latest',
  },
  {
    name: 'an index that is too small for its partitions is taken',
    file: 'config.ts',
    from: "least(slabEntries * bytesPerEntry('times'))",
    to: 'least(slabEntries)',
    by: { unit: 'test/config/load.test.ts' },
    breaks: 'an index with less than two slabs a partition is refused',
  },
  {
    name: 'a sample that has not come to the head is not gone on with',
    file: 'host/recent-records.ts',
    from: '      at = next\n',
    to: '      break\n',
    by: { unit: 'test/host/recent-records.test.ts' },
    breaks: 'the newest records of a partition are looked at',
  },
  {
    name: 'an event that is larger than a chunk is never read back',
    file: 'serving/sizes.ts',
    from: 'const chunkBytes = Math.max(options.chunkBytes, least.chunkBytes)',
    to: 'const { chunkBytes } = options',
    by: { unit: 'test/serving/sizes.test.ts' },
    breaks: 'any event of `limits.maxEventBytes` can be read back',
  },
]
