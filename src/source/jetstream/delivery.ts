const ackPrefix = Buffer.from('$JS.ACK.')
const dot = 46
const zero = 48
/** Digits below the millisecond in a time in nanoseconds. */
const subMsDigits = 6
const nsPerMs = 10 ** subMsDigits
/**
 * Positions of dots in a reply subject: more than any known server sends, with room for later
 * fields.
 */
const dots = new Int32Array(32)

/**
 * Metadata of a JetStream message, parsed from the bytes of its reply subject. Reused.
 *
 * Server < 2.11:
 *
 *     $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>
 *
 * Later servers:
 *
 *     $JS.ACK.<domain>.<account>.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>
 *     .<pending>…
 */
export class Delivery {
  streamSequence = 0
  consumerSequence = 0
  /** Time of storage: Unix ms, and the nanoseconds below the millisecond. */
  timeMs = 0
  timeNs = 0
  /** Messages after this one in the stream when the server sent it. */
  pending = 0

  /** Parses `reply`; returns false if it is not the reply subject of a message. */
  read(reply: Uint8Array): boolean {
    for (let i = 0; i < ackPrefix.length; i++) if (reply[i] !== ackPrefix[i]) return false
    let count = 0
    for (let i = 0; i < reply.length && count < dots.length; i++) if (reply[i] === dot) dots[count++] = i
    // The dot before the stream sequence: index 4 in the short form (9 tokens), 6 in the long form
    // (at least 11 tokens).
    const first = count === 8 ? 4 : count >= 10 ? 6 : -1
    if (first < 0) return false
    const end = (i: number) => (i < count ? dots[i]! : reply.length)
    this.streamSequence = digits(reply, dots[first]! + 1, dots[first + 1]!)
    this.consumerSequence = digits(reply, dots[first + 1]! + 1, dots[first + 2]!)
    const timeEnd = dots[first + 3]!
    this.timeMs = digits(reply, dots[first + 2]! + 1, timeEnd - subMsDigits)
    this.timeNs = digits(reply, timeEnd - subMsDigits, timeEnd)
    this.pending = digits(reply, timeEnd + 1, end(first + 4))
    return true
  }
}

function digits(bytes: Uint8Array, from: number, to: number): number {
  let value = 0
  for (let i = from; i < to; i++) value = value * 10 + bytes[i]! - zero
  return value
}

/**
 * Parses a time of the API (`2026-11-23T06:22:12.123456789Z`) into Unix ms and nanoseconds below
 * the millisecond.
 */
export function parseTime(text: string): { timeMs: number; timeNs: number } {
  const fraction = /\.(\d+)/.exec(text)?.[1]?.padEnd(9, '0') ?? '000000000'
  return { timeMs: Date.parse(text.replace(/\.\d+/, `.${fraction.slice(0, 3)}`)), timeNs: Number(fraction.slice(3, 9)) }
}

/** Formats a time for the API. A `timeNs` of 1,000,000 carries into the next millisecond. */
export function formatTime(timeMs: number, timeNs: number): string {
  const full = timeMs + Math.floor(timeNs / nsPerMs)
  return `${new Date(full).toISOString().slice(0, -1)}${String(timeNs % nsPerMs).padStart(subMsDigits, '0')}Z`
}
