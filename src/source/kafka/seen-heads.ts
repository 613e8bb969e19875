import { unknownGeneration } from '../../base/generation.ts'
import type { StreamInfo } from '../source.ts'

/** An offset that the log of a leader reached, and which leader that was. */
export interface SeenHead {
  readonly offset: number
  readonly leaderEpoch: number
}

/**
 * Which leaders' heads were told to somebody who may read on from there: a log that was cut meanwhile, and written further than
 * that since, must not pass for the same.
 */
export class SeenHeads {
  /** By topic: the newest incarnation's, by partition. */
  readonly #topics = new Map<string, { readonly incarnation: string; readonly heads: SeenHead[] }>()

  saw({ name, incarnation }: StreamInfo, partition: number, head: SeenHead): void {
    let topic = this.#topics.get(name)
    if (topic?.incarnation !== incarnation) {
      topic = { incarnation, heads: [] }
      this.#topics.set(name, topic)
    }
    topic.heads[partition] = head
  }

  /** A place to read from, with the epoch of a leader that is known to have had it; unknown = none is. */
  start({ name, incarnation }: StreamInfo, partition: number, offset: number): SeenHead {
    const topic = this.#topics.get(name)
    const head = topic?.incarnation === incarnation ? topic.heads[partition] : undefined
    return { offset, leaderEpoch: head !== undefined && offset <= head.offset ? head.leaderEpoch : unknownGeneration }
  }
}
