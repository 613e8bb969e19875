/** Cut after `most` characters: somebody else's text in our messages and logs. */
export function shortened(text: string, most = 40): string {
  return text.length > most ? `${text.slice(0, most)}…` : text
}

/** The same, quoted and escaped. */
export function quoted(text: string, most?: number): string {
  return JSON.stringify(shortened(text, most))
}

/** A value in words, short whatever it is. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value !== 'string') return String(value)
  return `the string ${quoted(value)}`
}

/** A value as JSON, in short; in words where it is too deep for that, or goes round in a circle. */
export function shortJson(value: unknown, most: number): string {
  try {
    return shortened(JSON.stringify(value) ?? shown(value), most)
  } catch {
    return shown(value)
  }
}
