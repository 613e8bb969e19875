import { isLoopbackHostHeader } from '../base/loopback.ts'

/**
 * Returns whether a page of `origin` may connect: it has no origin (not a browser), the requested
 * host and port, or an origin on the list.
 */
export function isOriginAllowed(origin: string, hostHeader: string, allowOrigin: readonly string[]): boolean {
  return origin === '' || isOriginNamed(origin, hostHeader, allowOrigin) || allowOrigin.includes('*')
}

/** Returns whether the origin is that of the requested host, or is on the list by its name. */
export function isOriginNamed(origin: string, hostHeader: string, allowOrigin: readonly string[]): boolean {
  const page = origin.toLowerCase()
  // Both schemes match: a proxy in front may have terminated TLS.
  if (page === `http://${hostHeader.toLowerCase()}` || page === `https://${hostHeader.toLowerCase()}`) return true
  return allowOrigin.some((allowed) => allowed.toLowerCase() === page)
}

/**
 * Returns whether a loopback listener may serve a request for `hostHeader`: it names the loopback,
 * or the host of an allowed origin, as passed on by a proxy on this host. A page whose own name
 * was pointed at 127.0.0.1 (DNS rebinding) has neither. Its Origin header does not reveal it,
 * because to its browser the gateway is the page's own site.
 */
export function isHostAllowed(hostHeader: string, allowOrigin: readonly string[]): boolean {
  if (hostHeader === '' || isLoopbackHostHeader(hostHeader)) return true
  const host = hostHeader.toLowerCase()
  return allowOrigin.some((allowed) => allowed === '*' || allowed.toLowerCase().replace(/^https?:\/\//, '') === host)
}
