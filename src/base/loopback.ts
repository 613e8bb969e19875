const loopbackV4 = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/
const loopbackName = /^(?:[a-z0-9-]+\.)*localhost$/
/**
 * A `Host` header as in RFC 9110: a name or address (IPv6 in brackets), with or without a port.
 */
const hostAndPort = /^(\[[0-9a-f:.]+\]|[^:@/\s]+)(?::\d{1,5})?$/

/**
 * Returns whether `host`, a name or an address with or without brackets, is reachable only from
 * this machine.
 */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  return name === '::1' || loopbackV4.test(name) || loopbackName.test(name)
}

/**
 * Returns whether a `Host` header names the loopback. Against DNS rebinding: a page whose own DNS
 * name points to 127.0.0.1 reaches a loopback listener, but sends its own name here.
 */
export function isLoopbackHostHeader(header: string): boolean {
  const match = hostAndPort.exec(header.toLowerCase())
  return match !== null && isLoopback(match[1]!)
}
