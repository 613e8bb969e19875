/** Whether a page of `origin` may connect: no origin (not a browser), the same host and port as asked for, or on the list. */
export function isOriginAllowed(origin: string, hostHeader: string, allowOrigin: readonly string[]): boolean {
  if (origin === '') return true
  const page = origin.toLowerCase()
  // http and https alike: a proxy in front may have ended TLS.
  if (page === `http://${hostHeader.toLowerCase()}` || page === `https://${hostHeader.toLowerCase()}`) return true
  return allowOrigin.some((allowed) => allowed === '*' || allowed.toLowerCase() === page)
}
