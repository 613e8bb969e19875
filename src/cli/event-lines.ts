import { positionText } from '../base/position-text.ts'
import { escapedJson, printable } from '../base/printable.ts'
import { eventToJson } from '../wire/event-json.ts'
import { type Delivery, type Event, type Gap, unknownPublishedAtUs } from '../wire/frames.ts'
import { jsonLine, period, time } from './text.ts'

/** Maximum number of characters of an event's data in a line for people. */
const maxShown = 2000

/**
 * Returns a line such as `12:34:56.789  alarm.zone7.door  3@17  4 ms  {"open":true}`. An event
 * that was missed, or requested from the past, has an age instead of a latency: `3 min 2 s ago`.
 */
export function deliveryText({ partition, offset, event }: Delivery, now: Date, came: 'new' | 'missed'): string {
  const data = event.deleted ? '(deleted)' : shown(event.data)
  return `${time(now)}  ${printable(event.subject)}  ${positionText(partition, offset)}${ageText(event, now, came)}  ${data}`
}

function ageText({ publishedAtUs }: Event, now: Date, came: 'new' | 'missed'): string {
  if (publishedAtUs === unknownPublishedAtUs) return ''
  const ms = now.getTime() - publishedAtUs / 1000
  return came === 'new' ? `  ${ms.toFixed(0)} ms` : `  ${period(Math.max(0, ms))} ago`
}

/** Returns one line of JSON with the delivery and the time of its arrival. */
export function deliveryJson(delivery: Delivery, nowMs: number): string {
  const { after, stream, partition, offset, event } = delivery
  const place = JSON.stringify({ after, stream, partition, offset, receivedAtUs: nowMs * 1000 })
  return escapedJson(`${place.slice(0, -1)},"event":${eventToJson(event)}}`)
}

export function gapText({ stream, partition, from, to, n, reason, certain }: Gap): string {
  const range = `from ${positionText(partition, from)}${to === undefined ? '' : ` to ${positionText(partition, to)}`}`
  // `n` is known only for events that were left out on purpose.
  const lost = n !== undefined ? `${n} left out` : certain ? 'events were lost' : 'events may be missing'
  return printable(`gap: ${stream}, ${range}: ${reason}, ${lost}`)
}

export function gapJson({ kind, ...gap }: Gap): string {
  return jsonLine({ [kind]: gap })
}

function shown(data: Uint8Array): string {
  // A character has at most four bytes.
  const text = Buffer.from(data.buffer, data.byteOffset, Math.min(data.length, maxShown * 4)).toString()
  return text.length <= maxShown ? printable(text) : `${printable(text.slice(0, maxShown))}… (${data.length} bytes)`
}
