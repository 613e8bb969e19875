/** Cut after `most` characters: somebody else's text in our messages and logs. */
export function shortened(text: string, most = 40): string {
  return text.length > most ? `${text.slice(0, most)}…` : text
}

/** The same, quoted and escaped. */
export function quoted(text: string, most?: number): string {
  return JSON.stringify(shortened(text, most))
}
