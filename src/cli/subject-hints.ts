/**
 * Returns a hint for a subject that looks like a topic of MQTT or AMQP, otherwise undefined. Such
 * subjects are valid, so this is not an error.
 */
export function subjectHint(subject: string): string | undefined {
  const tokens = subject.split(/[./]/)
  const hints = [
    subject.includes('/') && !subject.includes('.') ? 'the tokens of a subject are joined by dots' : '',
    tokens.includes('+') ? '* matches any one token, + only itself' : '',
    tokens.includes('#') ? 'a final > matches one or more tokens, # only itself' : '',
  ].filter((hint) => hint !== '')
  if (hints.length === 0) return undefined
  const meant = tokens.filter((token) => token !== '').map((token) => wildcards[token] ?? token)
  return `hint: ${hints.join('; ')}. Did you mean '${meant.join('.')}'?`
}

const wildcards: Readonly<Record<string, string>> = { '+': '*', '#': '>' }
