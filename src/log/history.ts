/**
 * Which history of its log a window's records are of: a log may be cut and written anew from there, and a position of before must not
 * pass for one of now. Generations are as `Generations` says; -1 = unknown. `head` is the window's.
 */
export interface History {
  /** It lies in the index's entries: those that readers are not to see any more still say what it was. */
  readonly isInEntries: boolean
  /** Begins anew at `offset`, behind a record of this generation. */
  start(offset: number, generation: number): void
  /** `slot`: its place in the index. */
  appended(slot: number, offset: number, generation: number): void
  /** What is at `offset` is no record, but of this generation. */
  passed(offset: number, generation: number): void
  /** Nothing from `from` up to the head could be read: another history may begin in it. */
  unread(from: number): void
  truncate(offset: number): void
  /** Of an entry of the index, whose offset this is. */
  ofEntry(ordinal: number, offset: number, head: number): number
  /** Of the position `offset`: that of the last record below it. */
  at(offset: number, head: number): number
  /** Where the log stops being the one of a position (`offset`, `generation`); Infinity where nothing speaks against it. */
  divergence(offset: number, generation: number, head: number): number
  /** Whether another history may begin between two records of these generations that follow one another for a reader. */
  mayBegin(before: number, after: number): boolean
  /**
   * From where on the log of a position with this generation may be another one, which is known to be one at `offset`: there, or 0 where
   * nothing is known of what lies right below.
   */
  doubtfulFrom(offset: number, generation: number, head: number): number
  /** What is known at `offset` or above begins with an older generation than this one, as it can't below a record of the same history. */
  hasOlder(offset: number, generation: number): boolean
}
