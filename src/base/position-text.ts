/** Formats a position for people: `3@17` is offset 17 of partition 3. */
export const positionText = (partition: number, offset: number): string => `${partition}@${offset}`
