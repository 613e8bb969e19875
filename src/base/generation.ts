/** The unknown generation of a position or record. Known generations are at least 0. */
export const unknownGeneration = -1
