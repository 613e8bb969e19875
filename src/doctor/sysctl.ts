import { type Finding, unknown } from './finding.ts'

/** The file in which deploy/sysctl puts them; read at every boot. */
const file = '/etc/sysctl.d/90-carillon.conf'

/** The command that sets an option of the kernel now; deploy/sysctl/90-carillon.conf keeps it. */
export function sysctlFix(name: string, value: number | string): string {
  const text = String(value)
  const quoted = text.includes(' ') ? `'${name}=${text}'` : `${name}=${text}`
  return `sysctl -w ${quoted}, and the same line in ${file}`
}

/** An option that is not shown: network namespaces other than the first have no tcp_mem, file limits are hidden in some containers. */
export function absent(name: string): Finding {
  const path = `/proc/sys/${name.replaceAll('.', '/')}`
  const where = name.startsWith('net.')
    ? "a container's own network namespace does not have it"
    : 'this is not Linux, or a container that hides it'
  return unknown(name, `there is no ${path} here: ${where}`, `sysctl ${name} on the host itself`)
}
