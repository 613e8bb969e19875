import { descriptorChecks } from './descriptor-checks.ts'
import type { Finding } from './finding.ts'
import type { HostFacts } from './host-facts.ts'
import type { HostLoad } from './load.ts'
import { networkChecks } from './network-checks.ts'
import { processChecks } from './process-checks.ts'

/** Judges the facts of this host for its intended load. */
export function hostChecks(facts: HostFacts, load: HostLoad): Finding[] {
  return [...descriptorChecks(facts, load), ...networkChecks(facts, load), ...processChecks(facts, load)]
}
