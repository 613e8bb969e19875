import { type Problem, setting, whole } from '../base/setting.ts'
import { bytesPerEntry } from './entry-arena.ts'
import { leastSlabs, payloadSlabBytes, slabEntries } from './window-pool.ts'

/** The memory of all windows of a gateway. */
export interface WindowMemory {
  readonly windowMiB: number
  readonly indexMiB: number
}

export const windowSettings = {
  windowMiB: setting(
    whole(1, 32_768),
    512,
    'memory for event payloads, all partitions together, MiB; each event takes 16 to 24 bytes more than its size',
  ),
  indexMiB: setting(
    whole(1, 8192),
    512,
    'memory for the index of records by subject, all partitions together, MiB; 32 bytes a record (36 on NATS). With equal budgets it covers 17 times as many 512-byte events as have their payload in memory',
  ),
}

const mib = 1 << 20
const indexSlabBytes = slabEntries * bytesPerEntry('times')

const leastMiB = (partitions: number, slabBytes: number) => Math.ceil((leastSlabs * partitions * slabBytes) / mib)

/**
 * Minimum for two slabs per window: one to fill and one to keep. With less, partitions keep
 * taking slabs from each other.
 */
export function leastMemory(partitions: number, maxEventBytes: number): WindowMemory {
  return {
    windowMiB: leastMiB(partitions, payloadSlabBytes(maxEventBytes)),
    indexMiB: leastMiB(partitions, indexSlabBytes),
  }
}

export function windowProblems(memory: WindowMemory, partitions: number, maxEventBytes: number): Problem[] {
  const least = leastMemory(partitions, maxEventBytes)
  const problem = (path: keyof WindowMemory, slabs: string): Problem[] => {
    const message = `expected at least ${least[path]} MiB, two ${slabs} for each of ${partitions} partitions, got ${memory[path]} MiB`
    return memory[path] < least[path] ? [{ path, message }] : []
  }
  const kib = (bytes: number) => `${bytes / 1024} KiB`
  return [
    ...problem('windowMiB', `slabs of ${kib(payloadSlabBytes(maxEventBytes))} (limits.maxEventBytes fits in one)`),
    ...problem('indexMiB', `slabs of ${kib(indexSlabBytes)}`),
  ]
}
