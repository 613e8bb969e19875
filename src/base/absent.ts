/** Start and end of missing bytes: a null, or an absent field. */
export const absent = -1
