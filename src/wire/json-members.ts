/**
 * Extracts parts of a JSON text unchanged, because parsing and printing would lose digits of
 * large numbers. Both functions expect valid JSON that JSON.parse has accepted, and don't
 * validate it again. Neither recurses, so any depth is safe.
 */

/**
 * Returns the text of each member of the object in `text`, by name. The last of a repeated name
 * wins, as in JSON.parse.
 */
export function memberTexts(text: string): Map<string, string> {
  const members = new Map<string, string>()
  let at = skipSpace(text, skipSpace(text, 0) + 1)
  while (at < text.length && text[at] !== '}') {
    const nameEnd = skipString(text, at)
    const name = JSON.parse(text.slice(at, nameEnd)) as string
    const start = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = skipValue(text, start)
    members.set(name, text.slice(start, end))
    at = skipSeparator(text, end)
  }
  return members
}

/** Returns the text of each element of the array in `text`. */
export function elementTexts(text: string): string[] {
  const elements: string[] = []
  let at = skipSpace(text, skipSpace(text, 0) + 1)
  while (at < text.length && text[at] !== ']') {
    const end = skipValue(text, at)
    elements.push(text.slice(at, end))
    at = skipSeparator(text, end)
  }
  return elements
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (at < text.length && text.charCodeAt(at) <= 0x20) at++
  return at
}

/** Skips an optional comma, up to the next value or the closing bracket. */
function skipSeparator(text: string, from: number): number {
  const at = skipSpace(text, from)
  return text[at] === ',' ? skipSpace(text, at + 1) : at
}

/** Skips a string. `at` is the opening quote; the result is the index after the closing one. */
function skipString(text: string, at: number): number {
  let end = text.indexOf('"', at + 1)
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end < 0 ? text.length : end + 1
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0
  while (text[quote - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}

function skipValue(text: string, from: number): number {
  let depth = 0
  let at = from
  while (at < text.length) {
    switch (text[at]) {
      case '"':
        at = skipString(text, at)
        break
      case '{':
      case '[':
        depth++
        at++
        break
      case '}':
      case ']':
        depth--
        at++
        break
      case ',':
      case ':':
        at++
        break
      default:
        at = skipPlain(text, at)
    }
    if (depth === 0) return at
  }
  return at
}

/** Skips a number, a literal or white space. */
function skipPlain(text: string, from: number): number {
  let at = skipSpace(text, from)
  while (at < text.length && !ends.has(text[at]!)) at++
  return at
}

const ends = new Set([',', ':', '}', ']', '{', '[', '"', ' ', '\t', '\n', '\r'])
