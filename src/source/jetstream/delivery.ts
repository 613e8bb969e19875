const ackPrefix = Buffer.from('$JS.ACK.')
const dot = 46
const zero = 48
/** Digits of a nanosecond time that are below the millisecond. */
const subMsDigits = 6
const nsPerMs = 10 ** subMsDigits
/** The most tokens that a reply subject has, and room for what later servers may add. */
const dots = new Int32Array(32)

/**
 * What a JetStream message says of itself in its reply subject, read from the bytes; one object is reused.
 *
 *     $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>                      server < 2.11
 *     $JS.ACK.<domain>.<account>.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>…  and later
 */
export class Delivery {
  streamSequence = 0
  consumerSequence = 0
  /** Time of storage: Unix ms, and the nanoseconds below it. */
  timeMs = 0
  timeNs = 0
  /** Messages that the stream has behind this one, as of its sending. */
  pending = 0

  /** False where the subject is no message's. */
  read(reply: Uint8Array): boolean {
    for (let i = 0; i < ackPrefix.length; i++) if (reply[i] !== ackPrefix[i]) return false
    let count = 0
    for (let i = 0; i < reply.length && count < dots.length; i++) if (reply[i] === dot) dots[count++] = i
    // Dots before the stream sequence: 5 in the short form of 9 tokens, 7 in the long one of at least 11.
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

/** A time as the API writes it (`2026-11-23T06:22:12.123456789Z`) in Unix ms and the nanoseconds below. */
export function parseTime(text: string): { timeMs: number; timeNs: number } {
  const fraction = /\.(\d+)/.exec(text)?.[1]?.padEnd(9, '0') ?? '000000000'
  return { timeMs: Date.parse(text.replace(/\.\d+/, `.${fraction.slice(0, 3)}`)), timeNs: Number(fraction.slice(3, 9)) }
}

/** The time as the API reads it; `timeNs` may be the next millisecond's first. */
export function formatTime(timeMs: number, timeNs: number): string {
  const full = timeMs + Math.floor(timeNs / nsPerMs)
  return `${new Date(full).toISOString().slice(0, -1)}${String(timeNs % nsPerMs).padStart(subMsDigits, '0')}Z`
}
