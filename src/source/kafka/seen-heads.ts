import { unknownGeneration } from '../../base/generation.ts'
import type { StreamInfo } from '../source.ts'

/** An offset that the log of a leader reached, and the epoch of that leader. */
export interface SeenHead {
  readonly offset: number
  readonly leaderEpoch: number
}

/**
 * Remembers the heads that were returned to callers, and their leaders. A caller may read on from
 * there: a log that was truncated in the meantime and then grew beyond that offset must not pass
 * for the same log.
 */
export class SeenHeads {
  /** By topic: the heads of the newest incarnation, by partition. */
  readonly #topics = new Map<string, { readonly incarnation: string; readonly heads: SeenHead[] }>()

  saw({ name, incarnation }: StreamInfo, partition: number, head: SeenHead): void {
    let topic = this.#topics.get(name)
    if (topic?.incarnation !== incarnation) {
      topic = { incarnation, heads: [] }
      this.#topics.set(name, topic)
    }
    topic.heads[partition] = head
  }

  /**
   * Returns `offset` with the epoch of a leader whose log reached it; `unknownGeneration` = no
   * such leader is known.
   */
  start({ name, incarnation }: StreamInfo, partition: number, offset: number): SeenHead {
    const topic = this.#topics.get(name)
    const head = topic?.incarnation === incarnation ? topic.heads[partition] : undefined
    return { offset, leaderEpoch: head !== undefined && offset <= head.offset ? head.leaderEpoch : unknownGeneration }
  }
}
