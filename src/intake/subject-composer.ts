import { isAscii } from '../base/ascii.ts'
import { ByteRange } from '../base/byte-range.ts'
import { CarillonError } from '../base/errors.ts'
import { shown } from '../base/shortened.ts'
import { validUtf8 } from '../base/utf8.ts'
import type { SubjectTemplate } from '../routing/template.ts'
import { validateSubject } from '../subject/subject.ts'
import { jsonText, maxJsonDepth, scanMember } from '../wire/json-text.ts'

/** A header that the template names, in letters of either case, and its value in the record that is looked at. */
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
 * Composes the subjects of records whose keys are none, by a route's template. What a record has in a place must be one token, or a part
 * of one. It decodes what the template names, and scans the value where a field of it is named, up to `maxJsonBytes`: only routes with a template
 * pay for that.
 */
export class SubjectComposer {
  /** What was wrong with the record that had no subject last; for people. */
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

  /** Another record. */
  begin(): void {
    for (const { value } of this.#headers) value.set(value.bytes, -1, -1)
  }

  header({ bytes, start, end }: ByteRange, content: ByteRange): void {
    for (const { name, value } of this.#headers) if (isAscii(bytes, start, end, name)) value.setTo(content)
  }

  /** The subject, of a record with this value; undefined = it has none. */
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
      this.fault = `the template "${this.#template.text}" makes no subject of it: ${error.message}`
      return undefined
    }
  }

  #expectSmall(bytes: number): void {
    if (bytes <= this.#maxJsonBytes) return
    throw bad(
      `its value has ${bytes} bytes, of which fields are looked for in ${this.#maxJsonBytes} (maxJsonBytes of the stream)`,
    )
  }
}

function headerToken({ name, value }: Header): string {
  const { bytes, start, end } = value
  if (start < 0) throw bad(`it has no header ${name}`)
  if (!validUtf8(bytes, start, end)) throw bad(`its header ${name} is not UTF-8`)
  return tokenOf(value.toString(), `its header ${name}`)
}

/** Field `path` of a JSON value. The value is scanned once for it, and nothing but the field is parsed. */
function fieldToken({ bytes, start, end }: ByteRange, { path, names }: Field): string {
  if (start < 0) throw bad('it has no value, and with that no fields')
  const member = new ByteRange().set(bytes, start, end)
  if (scanMember(member, names) === jsonText.invalid) {
    throw bad(validUtf8(bytes, start, end) ? noJson : 'its value is not UTF-8')
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
  // Parsing rounds the others.
  return Number.isSafeInteger(value) ? String(value) : tokenOf(text, name)
}

const openObject = 0x7b
const openArray = 0x5b
const expected = 'expected a text, a number or a boolean as'
const noJson = `its value is no JSON, or more than ${maxJsonDepth} deep`

function tokenOf(text: string, name: string): string {
  if (text === '') throw bad(`${name} is empty`)
  if (!notInTokens.test(text)) return text
  throw bad(`${name} is ${shown(text)}: it must be one token, without dots, spaces, "*" and ">"`)
}

const bad = (message: string) => new CarillonError('bad_subject', message)
