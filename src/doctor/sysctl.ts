import { type Finding, unknown } from './finding.ts'

/** File in which deploy/sysctl keeps the settings; read at every boot. */
const file = '/etc/sysctl.d/90-carillon.conf'

/**
 * Returns the command that sets a kernel setting now; deploy/sysctl/90-carillon.conf makes it
 * permanent.
 */
export function sysctlFix(name: string, value: number | string): string {
  const text = String(value)
  const quoted = text.includes(' ') ? `'${name}=${text}'` : `${name}=${text}`
  return `sysctl -w ${quoted}, and the same line in ${file}`
}

/**
 * Returns the finding for a setting that is not visible: network namespaces other than the first
 * have no tcp_mem, and some containers hide file limits.
 */
export function absent(name: string): Finding {
  const path = `/proc/sys/${name.replaceAll('.', '/')}`
  const where = name.startsWith('net.')
    ? "a container's own network namespace does not have it"
    : 'this is not Linux, or a container that hides it'
  return unknown(name, `there is no ${path} here: ${where}`, `sysctl ${name} on the host itself`)
}
