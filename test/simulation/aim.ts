/**
 * Fraction of a millisecond that encodes the target stream of an action. Nothing else depends on
 * these digits.
 */
const step = 1 / 4096

/** Returns the aim of a time, in [0, 1). */
export const aimOf = (atMs: number): number => (atMs / step) % 1

/** Returns a time close to `atMs` at which an action targets `stream`, of `of` streams. */
export const aimed = (atMs: number, { stream, of }: { readonly stream: number; readonly of: number }): number =>
  (Math.floor(atMs / step) + (stream + 0.5) / of) * step
