/**
 * Subjects of a history. Those of a pair share a hash under the seed that stands before them (found by trying): they share a chain
 * of the window, a slot of the hub, and nothing else.
 */
export const collisions: Readonly<Record<number, readonly (readonly [string, string])[]>> = {
  7: [
    ['c.3cp8', 'c.40mv'],
    ['c.3nap', 'c.4w3b'],
  ],
  11: [
    ['c.3q94', 'c.6lkj'],
    ['c.1i6n', 'c.68v1'],
  ],
}

export const hashSeeds = Object.keys(collisions).map(Number)

/** Subjects that share its hash under some seed. */
export const matesOf = (subject: string): readonly string[] =>
  Object.values(collisions)
    .flat()
    .filter((pair) => pair.includes(subject))
    .flatMap((pair) => pair.filter((each) => each !== subject))

export const plainSubjects = ['a.1', 'a.2', 'a.1.x', 'b.1', 'b.2', 'b.1.y', 'k']

export const patterns = ['>', 'c.*', 'a.*', 'a.>', 'b.*', 'b.>', '*', '*.1', 'a.1.*']
