const loopbackV4 = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/
const loopbackName = /^(?:[a-z0-9-]+\.)*localhost$/
/** The `Host` header of RFC 9110: a name or address (IPv6 in brackets), with or without a port. */
const hostAndPort = /^(\[[0-9a-f:.]+\]|[^:@/\s]+)(?::\d{1,5})?$/

/** Whether `host`, a name or an address with or without brackets, is reached from this machine only. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  return name === '::1' || loopbackV4.test(name) || loopbackName.test(name)
}

/**
 * Whether a `Host` header names the loopback. A page whose own DNS name was pointed at 127.0.0.1 (DNS rebinding) reaches a
 * loopback listener with its own name here.
 */
export function isLoopbackHostHeader(header: string): boolean {
  const match = hostAndPort.exec(header.toLowerCase())
  return match !== null && isLoopback(match[1]!)
}
