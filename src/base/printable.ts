/**
 * What could steer a terminal or reorder what it shows: C0 and C1 controls, DEL, line and paragraph separators, and the
 * bidirectional marks of Unicode ("Trojan Source").
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g
/** Of these, those that JSON allows between its tokens stay: they can't stand inside a string. */
const unprintableInJson = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** Text from elsewhere, with control characters made visible: an event, a key, an error of somebody else's must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(unprintable, escaped)
}

/** The same JSON, with such characters escaped as JSON has it. */
export function escapedJson(json: string): string {
  return json.replace(unprintableInJson, escaped)
}
