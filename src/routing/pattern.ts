import { tokens } from '../subject/subject.ts'

const dot = 0x2e

/** A compiled subject pattern that matches a subject's bytes without decoding them. */
export class BytePattern {
  readonly text: string
  /** One entry per token; undefined = `*`. */
  readonly #parts: (Buffer | undefined)[]
  /** The pattern ends with `>`, which matches one or more tokens. */
  readonly #open: boolean

  constructor(text: string) {
    this.text = text
    const parts = tokens(text)
    this.#open = parts.at(-1) === '>'
    if (this.#open) parts.pop()
    this.#parts = parts.map((part) => (part === '*' ? undefined : Buffer.from(part)))
  }

  /** Whether every subject matches. */
  get all(): boolean {
    return this.#open && this.#parts.length === 0
  }

  /** Returns whether the pattern fixes the token at `index`. */
  isLiteral(index: number): boolean {
    return this.#parts[index] !== undefined
  }

  matches(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start
    for (const part of this.#parts) {
      if (at > end) return false
      const next = tokenEnd(bytes, at, end)
      if (part !== undefined && !equal(part, bytes, at, next)) return false
      at = next + 1
    }
    return this.#open ? at <= end : at > end
  }
}

/** Returns the end of the token that starts at `at`. */
export function tokenEnd(bytes: Uint8Array, at: number, end: number): number {
  let i = at
  while (i < end && bytes[i] !== dot) i++
  return i
}

function equal(part: Buffer, bytes: Uint8Array, start: number, end: number): boolean {
  if (part.length !== end - start) return false
  for (let i = 0; i < part.length; i++) if (part[i] !== bytes[start + i]) return false
  return true
}

/** Returns a subject that both patterns match; undefined = none. */
export function commonSubject(a: string, b: string): string | undefined {
  const left = tokens(a)
  const right = tokens(b)
  const example: string[] = []
  for (let i = 0; ; i++) {
    const x = left[i]
    const y = right[i]
    if (x === undefined && y === undefined) return example.join('.')
    if (x === undefined || y === undefined) return undefined
    if (x === '>') return [...example, ...right.slice(i).map(plain)].join('.')
    if (y === '>') return [...example, ...left.slice(i).map(plain)].join('.')
    if (x !== '*' && y !== '*' && x !== y) return undefined
    example.push(plain(x === '*' ? y : x))
  }
}

const plain = (token: string): string => (token === '*' || token === '>' ? 'x' : token)
