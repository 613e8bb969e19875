/** Cuts untrusted text after `most` characters, for messages and logs. */
export function shortened(text: string, most = 40): string {
  return text.length > most ? `${text.slice(0, most)}…` : text
}

/** Cuts, quotes and escapes untrusted text. */
export function quoted(text: string, most?: number): string {
  return JSON.stringify(shortened(text, most))
}

/** Describes any value in a few words. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value !== 'string') return String(value)
  return `the string ${quoted(value)}`
}

/** Formats a value as short JSON; describes it if it is too deep or circular. */
export function shortJson(value: unknown, most: number): string {
  try {
    return shortened(JSON.stringify(value) ?? shown(value), most)
  } catch {
    return shown(value)
  }
}
