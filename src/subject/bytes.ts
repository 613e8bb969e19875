import { utf8Length } from '../base/utf8.ts'

/**
 * Returns a subject's UTF-8 as a string with one character per byte; an ASCII subject is
 * unchanged. Use it for data that lives as long as a subscription: a small `Buffer` is an object
 * of about a hundred bytes, and keeps its whole 8 KiB slab alive.
 */
export function subjectBytes(subject: string): string {
  return utf8Length(subject) === subject.length ? subject : Buffer.from(subject).toString('latin1')
}

/** Returns whether bytes [start, end) of `buffer` are the subject that `bytes` was made from. */
export function isSubject(bytes: string, buffer: Uint8Array, start: number, end: number): boolean {
  const { length } = bytes
  if (end - start !== length) return false
  for (let i = 0; i < length; i++) if (bytes.charCodeAt(i) !== buffer[start + i]) return false
  return true
}
