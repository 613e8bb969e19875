/** The subjects of the measurements. */
export const subjectOf = (number: number): string => `figures.s${number}`
