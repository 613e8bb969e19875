const nothing = Buffer.alloc(0)

/** Start and end of bytes that are not there: of a null, or of a field that is absent. */
export const absent = -1

/** Bytes [start, end) of a buffer. Whoever shows one record after the other sets one object again for each: keep copies. */
export class ByteRange {
  bytes: Buffer = nothing
  start = 0
  end = 0

  /** All of the text's UTF-8. */
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
