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
    'events in memory, of all partitions together, MiB; 16 to 24 bytes beside each one',
  ),
  indexMiB: setting(
    whole(1, 8192),
    512,
    'records known by subject, payload in memory or not, of all partitions together, MiB; 32 bytes each (36 on NATS): with equal budgets, of events of 512 bytes 17 times as many as are in memory',
  ),
}

const mib = 1 << 20
const indexSlabBytes = slabEntries * bytesPerEntry('times')

const leastMiB = (partitions: number, slabBytes: number) => Math.ceil((leastSlabs * partitions * slabBytes) / mib)

/** A window needs a slab that it fills, and keeps another one: with fewer, partitions take them from each other all the time. */
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
