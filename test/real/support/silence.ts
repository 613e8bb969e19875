/** The longest time without an event of a subject that had one before, from `fromMs` to `toMs`; `events` in the order of time. */
export function longestSilence(
  events: Iterable<readonly [subject: string, atMs: number]>,
  fromMs: number,
  toMs: number,
): number {
  const last = new Map<string, number>()
  let longest = 0
  for (const [subject, atMs] of events) {
    if (atMs > toMs) continue
    const before = last.get(subject)
    last.set(subject, atMs)
    if (atMs >= fromMs && before !== undefined) longest = Math.max(longest, atMs - Math.max(before, fromMs))
  }
  for (const before of last.values()) longest = Math.max(longest, toMs - Math.max(before, fromMs))
  return longest
}
