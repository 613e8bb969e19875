import { join } from 'node:path'
import { Child } from './child.ts'
import type { Person } from './people.ts'

export type CrowdOrder =
  | { readonly kind: 'begin'; readonly file: string; readonly people: readonly Person[] }
  | { readonly kind: 'look' }
  /** All clients leave; their stories are whole. */
  | { readonly kind: 'end' }

export interface CrowdAnswer {
  readonly served: number
  /** Events handed to programs so far. */
  readonly handed: number
  /** For people: some of those that are not served. */
  readonly waiting: readonly string[]
}

const processes = 3

/** All clients of a run, in a few processes. */
export class Crowd {
  readonly files: readonly string[]
  readonly count: number
  readonly #children: readonly Child<CrowdOrder, CrowdAnswer>[]

  private constructor(files: readonly string[], count: number, children: readonly Child<CrowdOrder, CrowdAnswer>[]) {
    this.files = files
    this.count = count
    this.#children = children
  }

  static async start(people: readonly Person[], dir: string): Promise<Crowd> {
    const files = Array.from({ length: processes }, (_, i) => join(dir, `stories-${i}`))
    const children = files.map(() => new Child<CrowdOrder, CrowdAnswer>('crowd-process.ts'))
    const crowd = new Crowd(files, people.length, children)
    await Promise.all(
      children.map((child, i) => {
        const own = people.filter(({ number }) => number % processes === i)
        return child.ask({ kind: 'begin', file: files[i]!, people: own })
      }),
    )
    return crowd
  }

  look(): Promise<CrowdAnswer> {
    return this.#ask({ kind: 'look' })
  }

  async end(): Promise<void> {
    await this.#ask({ kind: 'end' })
    this.close()
  }

  close(): void {
    for (const child of this.#children) child.close()
  }

  async #ask(order: CrowdOrder): Promise<CrowdAnswer> {
    const answers = await Promise.all(this.#children.map((child) => child.ask(order)))
    return {
      served: answers.reduce((sum, { served }) => sum + served, 0),
      handed: answers.reduce((sum, { handed }) => sum + handed, 0),
      waiting: answers.flatMap(({ waiting }) => waiting),
    }
  }
}
