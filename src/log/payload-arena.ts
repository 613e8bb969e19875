import type { Allocate } from './allocate.ts'
import { SlabTier } from './slab-tier.ts'

/** Alignment of payloads, bytes. Places count these units, so a place fits in 32 bits. */
export const unit = 8
/**
 * Log2 of the units per buffer: 1 GiB, because Node's copy and compare misbehave beyond 4 GiB.
 */
const pieceShift = 27
const pieceMask = 2 ** pieceShift - 1

/**
 * Three views of one part of the arena: bytes, record times, and the other header words before a
 * payload.
 */
export interface Piece {
  readonly bytes: Buffer
  readonly times: Float64Array
  readonly words: Uint32Array
}

/**
 * The payloads of all windows of a pool, in slabs. A *place* is an offset in units from the start
 * of the arena.
 */
export class PayloadArena {
  readonly tier: SlabTier
  readonly slabUnits: number
  /**
   * Indexed by slab: ordinal of the first payload in its window (low 32 bits), and the place
   * where the last payload ends.
   */
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

  /** Converts a place to units from the start of its piece. */
  within(place: number): number {
    return place & pieceMask
  }
}

function piece(memory: ArrayBufferLike): Piece {
  return { bytes: Buffer.from(memory), times: new Float64Array(memory), words: new Uint32Array(memory) }
}
