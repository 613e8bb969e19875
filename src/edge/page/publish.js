import { learnStream } from './token.js'

/** Unix microseconds, as precise as the browser's clock. */
export function nowUs() {
  return Math.round((performance.timeOrigin + performance.now()) * 1000)
}

/**
 * Publishes `count` copies of one event; resolves with the positions after the broker's
 * acknowledgement.
 */
export async function publish({ subject, payload, json }, count) {
  const content = json
    ? { contentType: 'application/json', data: parsed(payload) }
    : { contentType: 'text/plain', text: payload }
  const publishedAtUs = nowUs()
  const events = Array.from({ length: count }, () => ({ subject, publishedAtUs, ...content }))
  const response = await fetch('v1/publish', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ events }),
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(`${answer.error.code}: ${answer.error.message}`)
  for (const { after, stream } of answer.results) learnStream(after, stream)
  return answer.results
}

function parsed(payload) {
  try {
    return JSON.parse(payload)
  } catch (error) {
    throw new Error(`expected JSON in the payload (or choose Text): ${error.message}`)
  }
}
