/**
 * What somebody may have meant who writes subjects as MQTT or AMQP have them: undefined where nothing looks like it. Such subjects are right, so it
 * is only said.
 */
export function subjectHint(subject: string): string | undefined {
  const tokens = subject.split(/[./]/)
  const hints = [
    subject.includes('/') && !subject.includes('.') ? 'the tokens of a subject are joined by dots' : '',
    tokens.includes('+') ? '* stands for any one token, + for itself' : '',
    tokens.includes('#') ? 'a final > stands for one token or more, # for itself' : '',
  ].filter((hint) => hint !== '')
  if (hints.length === 0) return undefined
  const meant = tokens.filter((token) => token !== '').map((token) => wildcards[token] ?? token)
  return `hint: ${hints.join('; ')}. Did you mean '${meant.join('.')}'?`
}

const wildcards: Readonly<Record<string, string>> = { '+': '*', '#': '>' }
