import { isAscii } from '../base/ascii.ts'
import { ByteRange } from '../base/byte-range.ts'
import { CarillonError } from '../base/errors.ts'
import { shown } from '../base/shortened.ts'
import { validUtf8 } from '../base/utf8.ts'
import type { SubjectTemplate } from '../routing/template.ts'
import { validateSubject } from '../subject/subject.ts'
import { memberTexts } from '../wire/json-members.ts'

/** A header that the template names, in any case, and its value in the current record. */
interface Header {
  readonly name: string
  readonly value: ByteRange
}

const notInTokens = /[.*> ]/

/**
 * Composes subjects by a route's template, for records whose keys are not subjects. A value from
 * the record must be one token or part of one. Decodes only what the template names, and parses
 * the record's value only if the template names a field of it.
 */
export class SubjectComposer {
  /** Details of the last failure, as text for people. */
  fault = ''
  readonly #template: SubjectTemplate
  readonly #headers: readonly Header[]
  readonly #hasJson: boolean

  constructor(template: SubjectTemplate) {
    this.#template = template
    this.#headers = template.parts.flatMap((part) =>
      part.from === 'header' ? [{ name: part.name.toLowerCase(), value: new ByteRange() }] : [],
    )
    this.#hasJson = template.parts.some(({ from }) => from === 'json')
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
      const json = this.#hasJson ? new JsonValue(buffer, valueStart, valueEnd) : undefined
      let at = 0
      let subject = ''
      for (const part of this.#template.parts) {
        if (part.from === 'text') subject += part.text
        else subject += part.from === 'json' ? json!.token(part.path) : headerToken(this.#headers[at++]!)
      }
      validateSubject(subject)
      return subject
    } catch (error) {
      if (!(error instanceof CarillonError)) throw error
      this.fault = `the template "${this.#template.text}" makes no subject for it: ${error.message}`
      return undefined
    }
  }
}

function headerToken({ name, value }: Header): string {
  const { bytes, start, end } = value
  if (start < 0) throw bad(`it has no header ${name}`)
  if (!validUtf8(bytes, start, end)) throw bad(`its header ${name} is not UTF-8`)
  return tokenOf(value.toString(), `its header ${name}`)
}

/** A record's value, parsed as JSON. Created only if the template names a field. */
class JsonValue {
  readonly #text: string
  readonly #parsed: unknown

  constructor(buffer: Buffer, start: number, end: number) {
    if (start < 0) throw bad('it has no value, so it has no fields')
    if (!validUtf8(buffer, start, end)) throw bad('its value is not UTF-8')
    this.#text = buffer.toString('utf8', start, end)
    try {
      this.#parsed = JSON.parse(this.#text)
    } catch {
      throw bad('its value is not JSON')
    }
  }

  token(path: readonly string[]): string {
    const name = `its field ${path.join('.')}`
    let value = this.#parsed
    for (const each of path) {
      value = isObject(value) && Object.hasOwn(value, each) ? value[each] : undefined
    }
    switch (typeof value) {
      case 'string':
        return tokenOf(value, name)
      case 'boolean':
        return String(value)
      case 'number':
        // Parsing would round other numbers.
        return Number.isSafeInteger(value) ? String(value) : tokenOf(this.#numberText(path), name)
      default:
        throw bad(`expected a string, a number or a boolean as ${name}, got ${shown(value)}`)
    }
  }

  #numberText(path: readonly string[]): string {
    return path.reduce((text, each) => memberTexts(text).get(each)!, this.#text)
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function tokenOf(text: string, name: string): string {
  if (text === '') throw bad(`${name} is empty`)
  if (!notInTokens.test(text)) return text
  throw bad(`${name} is ${shown(text)}: it must be one token, without dots, spaces, "*" and ">"`)
}

const bad = (message: string) => new CarillonError('bad_subject', message)
