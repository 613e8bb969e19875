/**
 * Parses `127.0.0.1:8080`, `[::1]:8080` or `localhost:0` to a host without brackets and a port (0
 * = any free one). Throws an error with the expected form.
 */
export function parseListen(text: string): { host: string; port: number } {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]/@]+):(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match === null || port > 65_535) {
    const url = text.includes('://') ? ': leave out the scheme and the path' : ''
    throw new Error(`expected HOST:PORT such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080, got "${text}"${url}`)
  }
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port }
}
