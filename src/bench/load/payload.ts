/**
 * The payload of measured events: a JSON text of a fixed length whose first fields are the
 * event's due time and its number within its subject. Every transport carries the text unchanged,
 * so a client finds it in the byte stream without decoding frames.
 */

const marker = Buffer.from('{"t":"')
const timeDigits = 16
const numberDigits = 8
const timeAt = marker.length
const numberAt = timeAt + timeDigits + '","n":"'.length
/** Length of marker, time and number: the part of an event that a client reads. */
export const headBytes = numberAt + numberDigits

/** Returns monotonic time, µs. All processes of a host share this clock. */
export function monotonicUs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + nanoseconds / 1e3
}

/** Returns a payload of `bytes`, at least 64. */
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

/** Returns the start of a payload in bytes [start, end); -1 = no payload with a complete head. */
export function findPayload(bytes: Buffer, start: number, end: number): number {
  const at = bytes.indexOf(marker, start)
  return at >= 0 && at + headBytes <= end ? at : -1
}

/** Returns the due time of the event whose payload is at `at`, monotonic µs. */
export function dueUsOf(bytes: Buffer, at: number): number {
  return digits(bytes, at + timeAt, timeDigits)
}

/** Returns the event's number within its subject. */
export function numberOf(bytes: Buffer, at: number): number {
  return digits(bytes, at + numberAt, numberDigits)
}

/** Writes due time and number into the payload at `at`. */
export function stampPayload(bytes: Uint8Array, at: number, dueUs: number, number: number): void {
  writeDigits(bytes, at + timeAt, timeDigits, Math.round(dueUs))
  writeDigits(bytes, at + numberAt, numberDigits, number)
}

/** Writes `value` as `count` decimal digits with leading zeros. */
export function writeDigits(bytes: Uint8Array, at: number, count: number, value: number): void {
  let rest = value
  for (let i = at + count - 1; i >= at; i--) {
    const next = Math.floor(rest / 10)
    bytes[i] = 0x30 + rest - next * 10
    rest = next
  }
}
