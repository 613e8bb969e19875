import { CarillonError, type ErrorCode } from '../base/errors.ts'
import { shortened, shown } from '../base/shortened.ts'

/**
 * Reads the fields of an untrusted JSON object. Each getter checks the type; a mismatch is an
 * error that names the field, the expected type and the value received. Absent and null fields
 * have their default, as in proto3's JSON mapping.
 */
export class JsonFields {
  readonly #object: Record<string, unknown>
  readonly #path: string
  readonly #code: ErrorCode

  /** `path` names the object in messages; `code` is the error code. */
  constructor(value: unknown, path: string, code: ErrorCode) {
    this.#path = path
    this.#code = code
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.#wrong(path, 'an object', value)
    this.#object = value as Record<string, unknown>
  }

  get names(): string[] {
    return Object.keys(this.#object)
  }

  /** Whether the field is present, including null. */
  has(name: string): boolean {
    return Object.hasOwn(this.#object, name)
  }

  /** Returns the field unchecked; undefined if absent. Ignores the prototype's properties. */
  raw(name: string): unknown {
    return this.has(name) ? this.#object[name] : undefined
  }

  string(name: string): string {
    return this.text(name, this.raw(name) ?? '')
  }

  /** Checks that `value`, from the field `name`, is a string. */
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

  /** Reads an unsigned 64-bit integer of the protocol, which must be below 2^53. */
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

  /** Reads an object whose values are strings. */
  stringMap(name: string): Record<string, string> {
    const map = this.raw(name) ?? {}
    const path = `${this.#path}.${name}`
    if (typeof map !== 'object' || Array.isArray(map)) throw this.#wrong(path, 'an object of strings', map)
    // fromEntries defines own properties, so a key `__proto__` is plain data.
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
