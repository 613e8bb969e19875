import { CarillonError, type ErrorCode } from '../base/errors.ts'
import { shortened, shown } from '../base/shortened.ts'

/**
 * The fields of a JSON object that somebody else wrote: each is read with its type, and what does not fit is an error that
 * names the field, what was expected and what came. A field that is absent or null has its default, as proto3's JSON says.
 */
export class JsonFields {
  readonly #object: Record<string, unknown>
  readonly #path: string
  readonly #code: ErrorCode

  /** `path` is how messages call the object, `code` what they are thrown with. */
  constructor(value: unknown, path: string, code: ErrorCode) {
    this.#path = path
    this.#code = code
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.#wrong(path, 'an object', value)
    this.#object = value as Record<string, unknown>
  }

  get names(): string[] {
    return Object.keys(this.#object)
  }

  /** Whether the field is there, null included. */
  has(name: string): boolean {
    return Object.hasOwn(this.#object, name)
  }

  /** The field as it is; undefined when it is absent. Never what the prototype has under that name. */
  raw(name: string): unknown {
    return this.has(name) ? this.#object[name] : undefined
  }

  string(name: string): string {
    return this.text(name, this.raw(name) ?? '')
  }

  /** What is, or is in, the field of this name. */
  text(name: string, value: unknown): string {
    return this.#text(`${this.#path}.${name}`, value)
  }

  integer(name: string, least: number, most: number): number {
    return this.optionalInteger(name, least, most) ?? 0
  }

  optionalInteger(name: string, least: number, most: number): number | undefined {
    const value = this.raw(name) ?? undefined
    if (value === undefined) return undefined
    return this.#number(`${this.#path}.${name}`, value, least, most)
  }

  uint32(name: string): number {
    return this.integer(name, 0, 0xffffffff)
  }

  /** An unsigned 64-bit integer of the protocol: below 2^53. */
  uint53(name: string): number {
    return this.integer(name, 0, Number.MAX_SAFE_INTEGER)
  }

  boolean(name: string): boolean {
    const value = this.raw(name) ?? false
    if (typeof value !== 'boolean') throw this.#wrong(`${this.#path}.${name}`, 'true or false', value)
    return value
  }

  uint32s(name: string): number[] | undefined {
    const value = this.raw(name) ?? undefined
    if (value === undefined) return undefined
    const path = `${this.#path}.${name}`
    if (!Array.isArray(value)) throw this.#wrong(path, 'an array of integers', value)
    return value.map((item, index) => this.#number(`${path}[${index}]`, item, 0, 0xffffffff))
  }

  /** An object of strings. */
  stringMap(name: string): Record<string, string> {
    const map = this.raw(name) ?? {}
    const path = `${this.#path}.${name}`
    if (typeof map !== 'object' || Array.isArray(map)) throw this.#wrong(path, 'an object of strings', map)
    // fromEntries defines properties: a key `__proto__` is data like any other.
    return Object.fromEntries(
      Object.entries(map).map(([key, value]) => [
        this.#text(`a name in ${path}`, key),
        this.text(`${name}.${key}`, value),
      ]),
    )
  }

  fail(name: string, expected: string, got: string): CarillonError {
    return new CarillonError(this.#code, `${this.#path}.${name}: expected ${expected}, got ${got}`)
  }

  #text(path: string, value: unknown): string {
    if (typeof value !== 'string') throw this.#wrong(path, 'a string', value)
    if (!value.isWellFormed()) throw this.#wrong(path, 'a string without half surrogate pairs', value)
    return value
  }

  #number(path: string, value: unknown, least: number, most: number): number {
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
    throw this.#wrong(path, `an integer from ${least} to ${most}`, value)
  }

  #wrong(path: string, expected: string, value: unknown): CarillonError {
    return new CarillonError(this.#code, `${shortened(path, 120)}: expected ${expected}, got ${shown(value)}`)
  }
}
