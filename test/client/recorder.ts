import type { Handlers, Refusal } from '../../src/client/connection.ts'
import type { ServerFrame } from '../../src/wire/frames.ts'

/** The callbacks of a connection, in order. */
export class Recorder implements Handlers {
  readonly frames: ServerFrame[] = []
  readonly positions: string[] = []
  /** One entry for each call of `closed`; more than one is a fault. */
  readonly ends: Refusal[] = []
  readonly ended: Promise<Refusal>
  #end: (refused: Refusal) => void

  constructor() {
    const end = Promise.withResolvers<Refusal>()
    this.ended = end.promise
    this.#end = end.resolve
  }

  get kinds(): string[] {
    return this.frames.map(({ kind }) => kind)
  }

  get codes(): string[] {
    return this.ends.map(({ code }) => code)
  }

  frame(frame: ServerFrame): void {
    this.frames.push(frame)
  }

  position(token: string): void {
    this.positions.push(token)
  }

  closed(refused: Refusal): void {
    this.ends.push(refused)
    this.#end(refused)
  }
}

/** Ends a test that waits in vain, with room for a busy host. */
const patienceMs = 30_000

/** Resolves once the condition holds; rejects after half a minute. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + patienceMs; !holds(); ) {
    if (performance.now() > deadline) throw new Error(`not within ${patienceMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
