import { join } from 'node:path'
import { Child } from '../../src/bench/process/child.ts'
import type { ClientHandlers, ClientsReport } from './client-process.ts'
import type { Profile } from './profiles.ts'

const processes = 3
/** Clients begin a few at a time, and end once all that they wrote is on disk, ms. */
const longMs = 300_000

/** All clients of a run, in a few processes. */
export class Clients {
  readonly files: readonly string[]
  readonly count: number
  readonly #children: readonly Child<ClientHandlers>[]

  private constructor(files: readonly string[], count: number) {
    this.files = files
    this.count = count
    this.#children = files.map(() => new Child<ClientHandlers>(new URL('client-process.ts', import.meta.url)))
  }

  static async start(profiles: readonly Profile[], dir: string): Promise<Clients> {
    const files = Array.from({ length: processes }, (_, i) => join(dir, `stories-${i}`))
    const clients = new Clients(files, profiles.length)
    await Promise.all(
      clients.#children.map((child, i) => {
        const own = profiles.filter(({ number }) => number % processes === i)
        return child.ask('begin', { file: files[i]!, profiles: own }, longMs)
      }),
    )
    return clients
  }

  async look(): Promise<ClientsReport> {
    const reports = await Promise.all(this.#children.map((child) => child.ask('look', null)))
    return {
      served: reports.reduce((sum, { served }) => sum + served, 0),
      handed: reports.reduce((sum, { handed }) => sum + handed, 0),
      waiting: reports.flatMap(({ waiting }) => waiting),
    }
  }

  /** All clients leave; their stories are whole. */
  async end(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.ask('end', null, longMs)))
    await this.close()
  }

  async close(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.end()))
  }
}
