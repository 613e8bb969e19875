/** A position's generation, or a record's epoch, of which nothing is known; the known ones are from 0 on. */
export const unknownGeneration = -1
