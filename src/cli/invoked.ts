/** How the program was called, for commands that people paste: `bin/carillon` in a checkout. */
export const invoked: string = process.env.CARILLON_INVOKED_AS ?? 'carillon'
