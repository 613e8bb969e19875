import type { HostSize } from '../capacity/measured-figures.ts'
import type { HostFacts } from './host-facts.ts'

/** Of a process that may open any number of files. */
const maxDescriptors = 2 ** 31
/** Where the host does not show how many files a process may open. */
const fewDescriptors = 1024

/** What a host gives a gateway: what the cgroup leaves of it. */
export function hostSizeOf({ cgroup, cpus, memory, openFiles, cards }: HostFacts): HostSize {
  const speeds = cards.flatMap(({ gbps }) => (gbps === undefined ? [] : [gbps]))
  const unlimited = Number.POSITIVE_INFINITY
  return {
    cores: Math.max(1, Math.floor(Math.min(cpus, cgroup.cpus ?? cpus))),
    memoryBytes: Math.min(memory?.totalBytes ?? unlimited, cgroup.memoryBytes ?? unlimited),
    nicGbps: speeds.length === 0 ? undefined : Math.max(...speeds),
    descriptors: Math.min(openFiles?.hard ?? fewDescriptors, maxDescriptors),
  }
}
