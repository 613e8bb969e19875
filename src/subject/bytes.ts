import { utf8Length } from '../base/utf8.ts'

/**
 * A subject's UTF-8 as a string with a character for each byte: the subject itself where that is ASCII. For what is kept as long as a
 * subscription: a `Buffer` of so few bytes is an object of a hundred, and keeps all 8 KiB from its slab alive.
 */
export function subjectBytes(subject: string): string {
  return utf8Length(subject) === subject.length ? subject : Buffer.from(subject).toString('latin1')
}

/** Whether bytes [start, end) of `buffer` are the subject that `bytes` was made of. */
export function isSubject(bytes: string, buffer: Uint8Array, start: number, end: number): boolean {
  const { length } = bytes
  if (end - start !== length) return false
  for (let i = 0; i < length; i++) if (bytes.charCodeAt(i) !== buffer[start + i]) return false
  return true
}
