/** What V8 says of one script in the file that NODE_V8_COVERAGE makes: ranges of characters, with how often each ran. */
export interface ScriptCoverage {
  readonly url: string
  readonly functions: readonly {
    readonly isBlockCoverage: boolean
    readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[]
  }[]
}

/** Which characters of one source file ran, in any of the processes that were added. */
export class Executed {
  readonly #text: string
  readonly #ran: Uint8Array
  /** Start of each block that V8 counts apart, by its bounds. */
  readonly #blocks = new Map<string, number>()

  constructor(text: string) {
    this.#text = text
    this.#ran = new Uint8Array(text.length)
  }

  /** Type stripping leaves blanks where types were, so that V8's offsets are the file's. */
  add({ functions }: ScriptCoverage): void {
    const ranges = functions.flatMap(({ ranges }) => ranges)
    const own = new Uint8Array(this.#ran.length)
    // What lies within another range says more of its own characters.
    const size = ({ startOffset, endOffset }: (typeof ranges)[number]) => endOffset - startOffset
    for (const { startOffset, endOffset, count } of ranges.toSorted((a, b) => size(b) - size(a))) {
      own.fill(count > 0 ? 1 : 0, startOffset, endOffset)
    }
    for (let i = 0; i < own.length; i++) this.#ran[i]! |= own[i]!
    for (const { ranges, isBlockCoverage } of functions) {
      for (const { startOffset, endOffset } of isBlockCoverage ? ranges : ranges.slice(0, 1)) {
        this.#blocks.set(`${startOffset}-${endOffset}`, startOffset)
      }
    }
  }

  /** Functions and blocks: how many there are, and how many of them ran. */
  get branches(): { readonly all: number; readonly ran: number } {
    let ran = 0
    for (const start of this.#blocks.values()) ran += this.#ran[start] ?? 0
    return { all: this.#blocks.size, ran }
  }

  /** Lines of code, counted from 1, each with whether all of it ran. */
  lines(): Map<number, boolean> {
    const lines = new Map<number, boolean>()
    let at = 0
    let isComment = false
    for (const [index, line] of this.#text.split('\n').entries()) {
      const code = line.trim()
      if (code.startsWith('/*')) isComment = true
      const isCode = !isComment && /[A-Za-z0-9]/.test(code) && !code.startsWith('//')
      if (isComment && code.includes('*/')) isComment = false
      if (isCode) lines.set(index + 1, this.#allRan(at, line))
      at += line.length + 1
    }
    return lines
  }

  #allRan(at: number, line: string): boolean {
    for (let i = 0; i < line.length; i++) if (/[A-Za-z0-9]/.test(line[i]!) && this.#ran[at + i] === 0) return false
    return true
  }
}
