/**
 * Tells which history of its log a window's records belong to. A log may be cut and rewritten
 * from some offset on, and a position from before must not pass for a current one. Generations
 * are as in `Generations`; -1 = unknown. `head` is the window's head.
 */
export interface History {
  /**
   * Whether the index's entries hold the generations. If so, entries stay for that purpose after
   * readers may no longer see them.
   */
  readonly isInEntries: boolean
  /** Restarts at `offset`. The record before it has this generation. */
  start(offset: number, generation: number): void
  /** Adds a record; `slot` is its slot in the index. */
  appended(slot: number, offset: number, generation: number): void
  /**
   * Notes the generation of an offset without an entry: a marker, or a record that this gateway
   * can't use.
   */
  passed(offset: number, generation: number): void
  /** Marks [from, head) as unreadable: another history may begin there. */
  unread(from: number): void
  truncate(offset: number): void
  /** Returns the generation of an entry; `offset` is the entry's offset. */
  ofEntry(ordinal: number, offset: number, head: number): number
  /** Returns the generation of the position `offset`: that of the last record below it. */
  at(offset: number, head: number): number
  /**
   * Returns the first offset at which this log differs from the log of a position (`offset`,
   * `generation`); Infinity = no contradiction known.
   */
  divergence(offset: number, generation: number, head: number): number
  /**
   * Returns whether another history may begin between two records that a reader sees in
   * succession. The arguments are their generations.
   */
  mayBegin(before: number, after: number): boolean
  /**
   * Returns the lowest offset from which this log may differ from that of a position with this
   * generation. The caller knows that they differ at `offset`. Returns 0 where nothing is known
   * of the record right below it.
   */
  doubtfulFrom(offset: number, generation: number, head: number): number
  /**
   * Returns whether the first known generation at or above `offset` is older than this one.
   * Within one history, that is impossible.
   */
  hasOlder(offset: number, generation: number): boolean
}
