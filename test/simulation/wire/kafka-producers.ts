import { readInt64 } from '../../../src/source/kafka/encoding.ts'
import { code } from '../../../src/source/kafka/protocol-errors.ts'

// Of a record batch, byte offsets.
const producerIdAt = 43
const sequenceAt = 53
const recordCountAt = 57

/** Batches of a producer that a partition remembers (KIP-98). */
const remembered = 5

interface Written {
  readonly first: number
  readonly count: number
  readonly base: number
}

/** Who wrote a batch, and under which numbers. */
export interface Numbers {
  /** -1 = nobody in particular. */
  readonly producerId: number
  readonly first: number
  readonly count: number
}

export function numbersOf(batch: Buffer): Numbers {
  const [first, count] = [batch.readInt32BE(sequenceAt), batch.readInt32BE(recordCountAt)]
  return { producerId: readInt64(batch, producerIdAt), first, count }
}

/** What a partition knows of its producers, as kafka.log.ProducerStateManager: a part of its log, which a rewrite cuts with it. */
export class Producers {
  readonly #written = new Map<number, Written[]>()

  /** The answer to what was written before under these numbers, or can't be written under them; undefined where they are new. */
  judge({ producerId, first, count }: Numbers): { readonly error: number; readonly base: number } | undefined {
    const known = this.#written.get(producerId) ?? []
    const same = known.find((each) => each.first === first && each.count === count)
    if (same !== undefined) return { error: 0, base: same.base }
    const last = known.at(-1)
    // Of whom it knows nothing it takes whatever comes (KIP-360).
    return last === undefined || last.first + last.count === first
      ? undefined
      : { error: code.outOfOrderSequence, base: -1 }
  }

  wrote({ producerId, first, count }: Numbers, base: number): void {
    if (producerId < 0) return
    this.#written.set(producerId, [...(this.#written.get(producerId) ?? []), { first, count, base }].slice(-remembered))
  }

  /** The log ends at `from`. */
  cut(from: number): void {
    for (const [producerId, all] of this.#written) {
      const kept = all.filter(({ base, count }) => base + count <= from)
      if (kept.length > 0) this.#written.set(producerId, kept)
      else this.#written.delete(producerId)
    }
  }
}
