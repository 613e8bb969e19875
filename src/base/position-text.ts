/** A position as people are shown it everywhere: `3@17` is offset 17 of partition 3. */
export const positionText = (partition: number, offset: number): string => `${partition}@${offset}`
