/** Fractions of a millisecond in which it is decided which stream an action happens to: no other part of it depends on them. */
const step = 1 / 4096

/** In [0, 1). */
export const aimOf = (atMs: number): number => (atMs / step) % 1

/** A moment next to `atMs` at which an action happens to that one of so many streams. */
export const aimed = (atMs: number, { stream, of }: { readonly stream: number; readonly of: number }): number =>
  (Math.floor(atMs / step) + (stream + 0.5) / of) * step
