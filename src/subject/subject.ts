import { CarillonError } from '../base/errors.ts'
import { quoted } from '../base/shortened.ts'
import { loneSurrogate, sequenceLength, utf8Length } from '../base/utf8.ts'

/**
 * Subjects and patterns. A subject is one or more non-empty tokens joined by dots, at most
 * `maxSubjectBytes` of UTF-8, without spaces, control characters (U+0000–U+0020, U+007F–U+009F),
 * `*` and `>`. In a pattern, `*` matches any one token, and `>` as the last token matches one or
 * more. A subject is also a pattern that matches only itself.
 */

/** In bytes of UTF-8. */
export const maxSubjectBytes = 255

const dot = 0x2e
const star = 0x2a
const greater = 0x3e

/**
 * Returns whether bytes [start, end) are a valid subject, by the rules of `validateSubject`.
 * Decodes nothing.
 */
export function validSubjectBytes(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > maxSubjectBytes) return false
  let tokenStart = true
  for (let at = start; at < end; ) {
    const byte = bytes[at]!
    if (byte === dot) {
      if (tokenStart) return false
      tokenStart = true
      at++
      continue
    }
    tokenStart = false
    const length = characterLength(bytes, at, end)
    if (length === 0) return false
    at += length
  }
  return !tokenStart
}

/** Returns the length of the character at `at`; 0 = not allowed in a token. */
function characterLength(bytes: Uint8Array, at: number, end: number): number {
  const byte = bytes[at]!
  if (byte < 0x80) return byte <= 0x20 || byte === 0x7f || byte === star || byte === greater ? 0 : 1
  if (byte === 0xc2 && bytes[at + 1]! < 0xa0) return 0
  return sequenceLength(bytes, at, end)
}

/**
 * Throws `bad_subject` with the fault and its place unless `subject` is a valid subject without
 * wildcards.
 */
export function validateSubject(subject: string): void {
  const fault = textFault(subject) ?? firstFault(subject, subjectTokenFault)
  if (fault !== undefined) throw badSubject('subject', subject, fault)
}

/** Validates like `validateSubject`, but allows wildcards. */
export function validatePattern(pattern: string): void {
  const fault = textFault(pattern) ?? firstFault(pattern, patternTokenFault)
  if (fault !== undefined) throw badSubject('pattern', pattern, fault)
}

/** Returns whether a valid subject or pattern has wildcards. */
export function isPattern(text: string): boolean {
  return text.includes('*') || text.includes('>')
}

export function tokens(subject: string): string[] {
  return subject.split('.')
}

/** Returns the first `count` tokens with their dots, or the whole subject if it has no more. */
export function firstTokens(subject: string, count: number): string {
  let end = -1
  for (let i = 0; i < count; i++) {
    end = subject.indexOf('.', end + 1)
    if (end === -1) return subject
  }
  return subject.slice(0, Math.max(0, end))
}

/** Returns whether a valid pattern matches a valid subject. Allocates nothing. */
export function matches(pattern: string, subject: string): boolean {
  let at = 0
  let from = 0
  for (;;) {
    const patternEnd = tokenEnd(pattern, at)
    const subjectEnd = tokenEnd(subject, from)
    const wildcard = patternEnd - at === 1 ? pattern.charCodeAt(at) : 0
    if (wildcard === greater) return true
    const isAsLong = patternEnd - at === subjectEnd - from
    if (wildcard !== star && !(isAsLong && sameToken(pattern, at, subject, from))) return false
    const patternDone = patternEnd === pattern.length
    if (patternDone || subjectEnd === subject.length) return patternDone && subjectEnd === subject.length
    at = patternEnd + 1
    from = subjectEnd + 1
  }
}

/** Returns the index after the token that starts at `start`. */
export function tokenEnd(subject: string, start: number): number {
  const end = subject.indexOf('.', start)
  return end === -1 ? subject.length : end
}

/** Compares two tokens of equal length: at `at` in `a`, at `from` in `b`. */
function sameToken(a: string, at: number, b: string, from: number): boolean {
  const end = tokenEnd(a, at)
  for (let i = at; i < end; i++) if (a.charCodeAt(i) !== b.charCodeAt(i - at + from)) return false
  return true
}

/** Returns the first fault in the characters, regardless of tokens. */
function textFault(text: string): string | undefined {
  if (text === '') return 'it is empty'
  const length = utf8Length(text)
  if (length > maxSubjectBytes) return `it has ${length} bytes of UTF-8, the maximum is ${maxSubjectBytes}`
  const lone = loneSurrogate(text)
  if (lone !== -1) return `character ${lone + 1} is half of a surrogate pair, which UTF-8 cannot carry`
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x20) return `character ${i + 1} is a space`
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
      return `character ${i + 1} is the control character U+${code.toString(16).toUpperCase().padStart(4, '0')}`
    }
  }
  return undefined
}

/** Returns the fault in a token; `left` tokens follow it. */
type TokenFault = (token: string, left: number) => string | undefined

function firstFault(text: string, faultOf: TokenFault): string | undefined {
  const all = tokens(text)
  for (let i = 0; i < all.length; i++) {
    const token = all[i]!
    const fault = token === '' ? emptyToken(i, all.length) : faultOf(token, all.length - 1 - i)
    if (fault !== undefined) return `token ${i + 1} ${fault}`
  }
  return undefined
}

function emptyToken(index: number, count: number): string {
  if (index === 0) return 'is empty (it starts with a dot)'
  return index === count - 1 ? 'is empty (it ends with a dot)' : 'is empty (two dots in a row)'
}

const subjectTokenFault: TokenFault = (token) =>
  isPattern(token) ? `(${quoted(token, 80)}) has a wildcard, which only a subscription may use` : undefined

const patternTokenFault: TokenFault = (token, left) => {
  if (token === '*' || !isPattern(token)) return undefined
  if (token === '>') return left === 0 ? undefined : 'is ">", which may only be the last token'
  return `(${quoted(token, 80)}) has a wildcard inside; "*" and ">" must be whole tokens`
}

function badSubject(what: string, text: string, fault: string): CarillonError {
  return new CarillonError('bad_subject', `${what} ${quoted(text, 80)}: ${fault}`)
}
