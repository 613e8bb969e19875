/** The events that the herd follows: numbered by subject, published in turns over all subjects. */

export const herdPrefix = 'herd'
export const herdSubject = (number: number): string => `${herdPrefix}.s${number}`

/** Of the first `published` events, how many are of subject `number`. */
export function countOf(number: number, published: number, subjects: number): number {
  return Math.floor(published / subjects) + (number < published % subjects ? 1 : 0)
}
