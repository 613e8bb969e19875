import type { Mutant } from './mutant.ts'

export const fanoutMutants: readonly Mutant[] = [
  {
    name: 'retention while a stretch is read back is not told',
    file: 'fanout/stream-feed.ts',
    from: "if (kept > from) window.lost(from, kept - 1, 'retention')",
    to: '',
    by: 'simulation',
  },
  {
    name: 'a rewritten log keeps its chunks',
    file: 'fanout/stream-feed.ts',
    from: 'feed.window.truncate(from)\n    feed.rewrites++',
    to: 'feed.window.truncate(from)',
    by: 'simulation',
  },
  {
    name: 'what was in its new place too early is lost for good',
    file: 'fanout/stream-feed.ts',
    from: 'for (const feed of this.partitions) feed.regrown()',
    to: '',
    by: 'simulation',
  },
  {
    name: 'records in the wrong partition are delivered',
    file: 'fanout/intake.ts',
    from: "if (check !== 'ok') return check",
    to: "if (check === 'no_route') return check",
    by: 'simulation',
  },
  {
    name: 'the hub takes a hash for the subject',
    file: 'fanout/hub.ts',
    from: 'if (topic.hash === hash && isSubject(topic.bytes, buffer, start, end)) return topic',
    to: 'if (topic.hash === hash && buffer.length > end - start) return topic',
    by: 'simulation',
  },
  {
    name: 'a member that leaves takes another one along',
    file: 'fanout/hub.ts',
    from: 'topic.members[index] = last\n      last.index = index',
    to: 'last.index = index',
    by: 'simulation',
  },
]
