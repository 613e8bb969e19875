import { isLoopbackHostHeader } from '../base/loopback.ts'

/** Whether a page of `origin` may connect: no origin (not a browser), the same host and port as asked for, or on the list. */
export function isOriginAllowed(origin: string, hostHeader: string, allowOrigin: readonly string[]): boolean {
  return origin === '' || isOriginNamed(origin, hostHeader, allowOrigin) || allowOrigin.includes('*')
}

/** Whether it is the host that was asked for, or on the list by its name. */
export function isOriginNamed(origin: string, hostHeader: string, allowOrigin: readonly string[]): boolean {
  const page = origin.toLowerCase()
  // http and https alike: a proxy in front may have ended TLS.
  if (page === `http://${hostHeader.toLowerCase()}` || page === `https://${hostHeader.toLowerCase()}`) return true
  return allowOrigin.some((allowed) => allowed.toLowerCase() === page)
}

/**
 * Whether a request for `hostHeader` may be served by a loopback listener: for a name of the loopback, or of an allowed origin, as
 * a proxy on this host passes it on. A page whose own name was pointed at 127.0.0.1 (DNS rebinding) has neither, and no Origin
 * header gives it away: to its browser the gateway is the page's own site.
 */
export function isHostAllowed(hostHeader: string, allowOrigin: readonly string[]): boolean {
  if (hostHeader === '' || isLoopbackHostHeader(hostHeader)) return true
  const host = hostHeader.toLowerCase()
  return allowOrigin.some((allowed) => allowed === '*' || allowed.toLowerCase().replace(/^https?:\/\//, '') === host)
}
