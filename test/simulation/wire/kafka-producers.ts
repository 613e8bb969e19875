import { readInt64 } from '../../../src/source/kafka/encoding.ts'
import { code } from '../../../src/source/kafka/protocol-errors.ts'

// Byte offsets in a record batch.
const producerIdAt = 43
const sequenceAt = 53
const recordCountAt = 57

/** Batches that a partition remembers for each producer (KIP-98). */
const remembered = 5

interface Written {
  readonly first: number
  readonly count: number
  readonly base: number
}

/** The producer of a batch, and its sequence numbers. */
export interface Numbers {
  /** -1 = no producer id. */
  readonly producerId: number
  readonly first: number
  readonly count: number
}

export function numbersOf(batch: Buffer): Numbers {
  const [first, count] = [batch.readInt32BE(sequenceAt), batch.readInt32BE(recordCountAt)]
  return { producerId: readInt64(batch, producerIdAt), first, count }
}

/**
 * The producer state of a partition, as in kafka.log.ProducerStateManager. It belongs to the log:
 * a rewrite cuts both.
 */
export class Producers {
  readonly #written = new Map<number, Written[]>()

  /**
   * Returns the answer to a batch that was written before with these sequence numbers, or whose
   * numbers do not fit. undefined = the batch is new.
   */
  judge({ producerId, first, count }: Numbers): { readonly error: number; readonly base: number } | undefined {
    const known = this.#written.get(producerId) ?? []
    const same = known.find((each) => each.first === first && each.count === count)
    if (same !== undefined) return { error: 0, base: same.base }
    const last = known.at(-1)
    // An unknown producer may begin with any sequence number (KIP-360).
    return last === undefined || last.first + last.count === first
      ? undefined
      : { error: code.outOfOrderSequence, base: -1 }
  }

  wrote({ producerId, first, count }: Numbers, base: number): void {
    if (producerId < 0) return
    this.#written.set(producerId, [...(this.#written.get(producerId) ?? []), { first, count, base }].slice(-remembered))
  }

  /** Forgets batches that reach beyond the new end of the log, `from`. */
  cut(from: number): void {
    for (const [producerId, all] of this.#written) {
      const kept = all.filter(({ base, count }) => base + count <= from)
      if (kept.length > 0) this.#written.set(producerId, kept)
      else this.#written.delete(producerId)
    }
  }
}
