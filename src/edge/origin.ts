const loopbackV4 = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/
const loopbackName = /^(?:[a-z0-9-]+\.)*localhost$/
/** RFC 3986's host and port, as far as this module tells them apart. */
const hostAndPort = /^(\[[0-9a-f:.]+\]|[^:@/\s]+)(?::\d{1,5})?$/

/** Whether `host` (a name or address, with or without brackets) is this machine only. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  return name === '::1' || loopbackV4.test(name) || loopbackName.test(name)
}

/**
 * Whether a `Host` header names the loopback. A page of another site whose DNS name was pointed at 127.0.0.1 (DNS rebinding)
 * sends its own name here.
 */
export function isLoopbackHostHeader(header: string): boolean {
  const match = hostAndPort.exec(header.toLowerCase())
  return match !== null && isLoopback(match[1]!)
}

/** Whether a page of `origin` may connect: no origin (not a browser), the same host and port as asked for, or on the list. */
export function isOriginAllowed(origin: string, hostHeader: string, allowOrigin: readonly string[]): boolean {
  if (origin === '') return true
  const page = origin.toLowerCase()
  // http and https alike: a proxy in front may have ended TLS.
  if (page === `http://${hostHeader.toLowerCase()}` || page === `https://${hostHeader.toLowerCase()}`) return true
  return allowOrigin.some((allowed) => allowed === '*' || allowed.toLowerCase() === page)
}
