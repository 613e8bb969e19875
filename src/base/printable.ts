/**
 * Characters that could control a terminal or reorder its text: C0 and C1 controls, DEL, line and
 * paragraph separators, and Unicode's bidirectional marks ("Trojan Source").
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: matches them on purpose
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g
/**
 * The same without the characters that JSON allows between tokens, which can't occur inside
 * strings.
 */
const unprintableInJson = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/**
 * Returns untrusted text (an event, a key, an error) with control characters made visible, so
 * that it can't control the terminal.
 */
export function printable(text: string): string {
  return text.replace(unprintable, escaped)
}

/** Returns the same JSON with such characters escaped. */
export function escapedJson(json: string): string {
  return json.replace(unprintableInJson, escaped)
}
