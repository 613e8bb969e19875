/** Remote addresses as text. */

const ipv4InIpv6 = '::ffff:'

/** Formats an address of 4 or 16 bytes as text; IPv4 within IPv6 as IPv4. */
export function addressText(address: ArrayBuffer): string {
  const bytes = new Uint8Array(address)
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) return ''
  const mapped = bytes.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff))
  if (mapped) return bytes.subarray(12).join('.')
  return Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16)).join(':')
}

/**
 * Returns the group that shares one allowance: an IPv4 address itself, and the /64 network of an
 * IPv6 address, since one host may use all of it.
 */
export function addressGroup(address: string): string {
  if (address.startsWith(ipv4InIpv6) && address.includes('.')) return address.slice(ipv4InIpv6.length)
  if (!address.includes(':')) return address
  const [head, tail = ''] = address.split('::', 2)
  const left = head === '' ? [] : head!.split(':')
  const right = tail === '' ? [] : tail.split(':')
  const zeroes = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0')
  return [...left, ...zeroes, ...right].slice(0, 4).join(':')
}
