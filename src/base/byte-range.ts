const nothing = Buffer.alloc(0)

/**
 * Bytes [start, end) of a buffer. Callers reuse one object for successive records, so copy what
 * you keep.
 */
export class ByteRange {
  bytes: Buffer = nothing
  start = 0
  end = 0

  /** Returns the text's UTF-8 as a range. */
  static of(text: string): ByteRange {
    const bytes = Buffer.from(text)
    return new ByteRange().set(bytes, 0, bytes.length)
  }

  get length(): number {
    return this.end - this.start
  }

  set(bytes: Buffer, start: number, end: number): this {
    this.bytes = bytes
    this.start = start
    this.end = end
    return this
  }

  setTo({ bytes, start, end }: ByteRange): this {
    return this.set(bytes, start, end)
  }

  equals({ bytes, start, end }: ByteRange): boolean {
    const { length } = this
    if (length !== end - start) return false
    for (let i = 0; i < length; i++) if (this.bytes[this.start + i] !== bytes[start + i]) return false
    return true
  }

  toString(): string {
    return this.bytes.toString('utf8', this.start, this.end)
  }
}
