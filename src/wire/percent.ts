/** Undoes percent-encoding (RFC 3986), once. Leaves a `%` without two hexadecimal digits unchanged. */
export function percentDecoded(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1')
  const decoded = text.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
  return Buffer.from(decoded, 'latin1')
}
