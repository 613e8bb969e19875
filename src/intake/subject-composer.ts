import { isAscii } from '../base/ascii.ts'
import { ByteRange } from '../base/byte-range.ts'
import { CarillonError } from '../base/errors.ts'
import { shown } from '../base/shortened.ts'
import { validUtf8 } from '../base/utf8.ts'
import type { SubjectTemplate } from '../routing/template.ts'
import { validateSubject } from '../subject/subject.ts'
import { jsonText, maxJsonDepth, scanMember } from '../wire/json-text.ts'

/** A header that the template names, in any case, and its value in the current record. */
interface Header {
  readonly name: string
  readonly value: ByteRange
}

/** A field that the template names, by the members that lead to it. */
interface Field {
  readonly path: readonly string[]
  readonly names: readonly Buffer[]
}

const notInTokens = /[.*> ]/

/**
 * Composes subjects by a route's template, for records whose keys are not subjects. A value from
 * the record must be one token or part of one. Decodes only what the template names. Scans the
 * record's value only if the template names a field of it, and only values of up to `maxJsonBytes`.
 */
export class SubjectComposer {
  /** Details of the last failure, as text for people. */
  fault = ''
  readonly #template: SubjectTemplate
  readonly #headers: readonly Header[]
  readonly #fields: readonly Field[]
  readonly #maxJsonBytes: number
  readonly #value = new ByteRange()

  constructor(template: SubjectTemplate, maxJsonBytes: number) {
    this.#template = template
    this.#maxJsonBytes = maxJsonBytes
    this.#headers = template.parts.flatMap((part) =>
      part.from === 'header' ? [{ name: part.name.toLowerCase(), value: new ByteRange() }] : [],
    )
    this.#fields = template.parts.flatMap((part) =>
      part.from === 'json' ? [{ path: part.path, names: part.path.map((name) => Buffer.from(name)) }] : [],
    )
  }

  /** Starts with another record. */
  begin(): void {
    for (const { value } of this.#headers) value.set(value.bytes, -1, -1)
  }

  header({ bytes, start, end }: ByteRange, content: ByteRange): void {
    for (const { name, value } of this.#headers) if (isAscii(bytes, start, end, name)) value.setTo(content)
  }

  /** Returns the subject of a record with this value; undefined = none, see `fault`. */
  compose(buffer: Buffer, valueStart: number, valueEnd: number): string | undefined {
    try {
      const value = this.#value.set(buffer, valueStart, valueEnd)
      if (this.#fields.length > 0) this.#expectSmall(value.length)
      let header = 0
      let field = 0
      let subject = ''
      for (const part of this.#template.parts) {
        if (part.from === 'text') subject += part.text
        else if (part.from === 'json') subject += fieldToken(value, this.#fields[field++]!)
        else subject += headerToken(this.#headers[header++]!)
      }
      validateSubject(subject)
      return subject
    } catch (error) {
      if (!(error instanceof CarillonError)) throw error
      this.fault = `the template "${this.#template.text}" makes no subject for it: ${error.message}`
      return undefined
    }
  }

  #expectSmall(bytes: number): void {
    const most = this.#maxJsonBytes
    if (bytes > most)
      throw bad(`its value has ${bytes} bytes, and fields are read from ${most} at most (maxJsonBytes of the stream)`)
  }
}

function headerToken({ name, value }: Header): string {
  const { bytes, start, end } = value
  if (start < 0) throw bad(`it has no header ${name}`)
  if (!validUtf8(bytes, start, end)) throw bad(`its header ${name} is not UTF-8`)
  return tokenOf(value.toString(), `its header ${name}`)
}

/** Returns a field of a JSON value as a token. Scans the value once, and parses nothing but the field. */
function fieldToken({ bytes, start, end }: ByteRange, { path, names }: Field): string {
  if (start < 0) throw bad('it has no value, so it has no fields')
  const member = new ByteRange().set(bytes, start, end)
  if (scanMember(member, names) === jsonText.invalid) {
    throw bad(validUtf8(bytes, start, end) ? notJson : 'its value is not UTF-8')
  }
  const name = `its field ${path.join('.')}`
  if (member.start < 0) throw bad(`${expected} ${name}, got nothing`)
  const first = bytes[member.start]
  if (first === openObject || first === openArray) {
    throw bad(`${expected} ${name}, got ${first === openArray ? 'an array' : 'an object'}`)
  }
  const text = member.toString()
  const value: unknown = JSON.parse(text)
  if (typeof value === 'string') return tokenOf(value, name)
  if (typeof value === 'boolean') return String(value)
  if (typeof value !== 'number') throw bad(`${expected} ${name}, got ${shown(value)}`)
  // Parsing would round other numbers.
  return Number.isSafeInteger(value) ? String(value) : tokenOf(text, name)
}

const openObject = 0x7b
const openArray = 0x5b
const expected = 'expected a string, a number or a boolean as'
const notJson = `its value is not JSON, or is more than ${maxJsonDepth} levels deep`

function tokenOf(text: string, name: string): string {
  if (text === '') throw bad(`${name} is empty`)
  if (!notInTokens.test(text)) return text
  throw bad(`${name} is ${shown(text)}: it must be one token, without dots, spaces, "*" and ">"`)
}

const bad = (message: string) => new CarillonError('bad_subject', message)
