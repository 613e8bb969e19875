import type { HostSize } from '../capacity/measured-figures.ts'
import type { HostFacts } from './host-facts.ts'

/** Maximum for a process without a limit of open files. */
const maxDescriptors = 2 ** 31
/** Default if the host does not show the limit of open files. */
const fewDescriptors = 1024

/** Returns the resources of a host for a gateway, within the limits of its cgroup. */
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
