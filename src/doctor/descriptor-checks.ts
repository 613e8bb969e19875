import { mostKept } from '../base/descriptors.ts'
import { grouped, roundUp } from '../base/numbers.ts'
import { type Finding, fail, pass, unknown, warn } from './finding.ts'
import type { HostFacts } from './host-facts.ts'
import type { HostLoad } from './load.ts'
import { absent, sysctlFix } from './sysctl.ts'

/**
 * Checks descriptors, of which each connection takes one: the limits of the process, of any
 * process, and of the host.
 */
export function descriptorChecks(facts: HostFacts, load: HostLoad): Finding[] {
  return [openFiles(facts, load), nrOpen(facts, load), fileMax(facts, load)]
}

const neededBy = ({ clients }: HostLoad) => clients + mostKept

function openFiles({ openFiles }: HostFacts, load: HostLoad): Finding {
  const check = 'open files'
  if (openFiles === undefined) return unknown(check, 'this system has no /proc/self/limits', 'ulimit -n')
  // Node raises its soft limit to the hard one when it starts.
  const allowed = Math.max(openFiles.soft, openFiles.hard)
  const needed = neededBy(load)
  const figure = `${grouped(allowed)} for this process`
  const reason = `${grouped(load.clients)} clients take ${grouped(needed)} descriptors, including the gateway's own`
  if (allowed >= needed) return pass(check, figure, reason)
  const more = `${reason}: at the limit, connections fail`
  return fail(
    check,
    figure,
    more,
    `LimitNOFILE=${roundUp(needed)} in the systemd unit; --ulimit nofile=${roundUp(needed)} in a container`,
  )
}

function nrOpen({ sysctls }: HostFacts, load: HostLoad): Finding {
  const check = 'fs.nr_open'
  const value = sysctls.get(check)?.[0]
  if (value === undefined) return absent(check)
  const needed = neededBy(load)
  const reason = 'no limit of open files can be set above it'
  if (value >= needed) return pass(check, grouped(value), reason)
  return fail(check, grouped(value), `${reason}, and ${grouped(needed)} are needed`, sysctlFix(check, roundUp(needed)))
}

function fileMax({ sysctls }: HostFacts, load: HostLoad): Finding {
  const check = 'fs.file-max'
  const value = sysctls.get(check)?.[0]
  if (value === undefined) return absent(check)
  const used = sysctls.get('fs.file-nr')?.[0] ?? 0
  const free = value - used
  const figure = `${grouped(value)}, ${grouped(used)} in use`
  const needed = neededBy(load)
  const fix = sysctlFix(check, '9223372036854775807')
  if (free < needed)
    return fail(check, figure, `the host has fewer than ${grouped(needed)} descriptors left for the gateway`, fix)
  if (free < 2 * needed) {
    return warn(
      check,
      figure,
      'a proxy or a load generator on this host needs as many again, and twice as many are not available',
      fix,
    )
  }
  return pass(check, figure, 'enough for the whole host')
}
