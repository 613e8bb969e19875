import type { Allocate } from './allocate.ts'
import { SlabTier } from './slab-tier.ts'

/** Payloads start at multiples of this, so that a place fits in 32 bits. */
export const unit = 8
/** Units of one buffer, as a power of two: 1 GiB, since Node's copies and comparisons go wrong beyond 4 GiB. */
const pieceShift = 27
const pieceMask = 2 ** pieceShift - 1

/** A part of the arena, three times over: for bytes, for record times, for what else stands before a payload. */
export interface Piece {
  readonly bytes: Buffer
  readonly times: Float64Array
  readonly words: Uint32Array
}

/** The payloads of all windows of a pool, in slabs. A *place* counts units from its beginning. */
export class PayloadArena {
  readonly tier: SlabTier
  readonly slabUnits: number
  /** By slab: ordinal of its first payload, in its window (its low 32 bits); and the place where its last one ends. */
  readonly firstOrdinals: Uint32Array
  readonly ends: Uint32Array
  readonly #pieces: Piece[] = []

  constructor(bytes: number, slabBytes: number, allocate: Allocate) {
    this.slabUnits = Math.floor(slabBytes / unit)
    this.tier = new SlabTier(Math.floor(bytes / (this.slabUnits * unit)))
    const { size } = this.tier
    this.firstOrdinals = new Uint32Array(allocate(4 * size))
    this.ends = new Uint32Array(allocate(4 * size))
    const units = size * this.slabUnits
    for (let at = 0; at < units; at += pieceMask + 1) {
      this.#pieces.push(piece(allocate(Math.min(units - at, pieceMask + 1) * unit)))
    }
  }

  get slabBytes(): number {
    return this.slabUnits * unit
  }

  piece(place: number): Piece {
    return this.#pieces[place >>> pieceShift]!
  }

  /** A place, in units from its piece's beginning. */
  within(place: number): number {
    return place & pieceMask
  }
}

function piece(memory: ArrayBufferLike): Piece {
  return { bytes: Buffer.from(memory), times: new Float64Array(memory), words: new Uint32Array(memory) }
}
