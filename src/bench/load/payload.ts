/**
 * The events of the measurements: a JSON text of a fixed length whose first fields are the time when it was due and its number among
 * its subject's events. Every transport carries the text as it is, so a client finds it in the stream of bytes without decoding frames.
 */

const marker = Buffer.from('{"t":"')
const timeDigits = 16
const numberDigits = 8
const timeAt = marker.length
const numberAt = timeAt + timeDigits + '","n":"'.length
/** Marker, time and number: what a client must have of an event. */
export const headBytes = numberAt + numberDigits

/** Monotonic time, µs: the same for all processes of a host. */
export function monotonicUs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + nanoseconds / 1e3
}

/** `bytes` long, at least 64. */
export function eventText(dueUs: number, number: number, bytes: number): Buffer {
  const time = String(Math.round(dueUs)).padStart(timeDigits, '0')
  const head = `{"t":"${time}","n":"${String(number).padStart(numberDigits, '0')}","pad":"`
  return Buffer.from(`${head}${'x'.repeat(bytes - head.length - 2)}"}`)
}

function digits(bytes: Buffer, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) value = value * 10 + bytes[i]! - 0x30
  return value
}

/** Where a payload begins in bytes [start, end); -1 where none has its whole head there. */
export function findPayload(bytes: Buffer, start: number, end: number): number {
  const at = bytes.indexOf(marker, start)
  return at >= 0 && at + headBytes <= end ? at : -1
}

/** When the event of the payload at `at` was due, monotonic µs. */
export function dueUsOf(bytes: Buffer, at: number): number {
  return digits(bytes, at + timeAt, timeDigits)
}

/** Its number among its subject's events. */
export function numberOf(bytes: Buffer, at: number): number {
  return digits(bytes, at + numberAt, numberDigits)
}

/** Writes due time and number into the payload at `at`. */
export function stampPayload(bytes: Uint8Array, at: number, dueUs: number, number: number): void {
  writeDigits(bytes, at + timeAt, timeDigits, Math.round(dueUs))
  writeDigits(bytes, at + numberAt, numberDigits, number)
}

/** Decimal, with zeros before it. */
export function writeDigits(bytes: Uint8Array, at: number, count: number, value: number): void {
  let rest = value
  for (let i = at + count - 1; i >= at; i--) {
    const next = Math.floor(rest / 10)
    bytes[i] = 0x30 + rest - next * 10
    rest = next
  }
}
