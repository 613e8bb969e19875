import type { SourceKind } from './simulated-source.ts'

/** One change of the real code that breaks a promise, and by which histories notice. */
export interface Mutant {
  readonly name: string
  /** Below src/. */
  readonly file: string
  /** Text that the file has exactly once, and what stands there instead. */
  readonly from: string
  readonly to: string
  /** Of what few histories notice: seeds of those, as `--seeds` takes them. */
  readonly seeds?: string
  /** What stands behind the gateways' sources; the model of the contract where it is not said. */
  readonly source?: SourceKind
}

/** What shows that the simulation has teeth: each of these is to be caught. */
export const mutants: readonly Mutant[] = [
  // Sessions and readers
  {
    name: 'a session with more to do is not run again',
    file: 'session/pump.ts',
    from: 'if (item.run()) this.add(item)',
    to: 'item.run()',
  },
  {
    name: 'a drained session is not woken',
    file: 'session/client-session.ts',
    from: 'if (this.#writer.drained()) this.wake()',
    to: 'this.#writer.drained()',
  },
  {
    name: 'a record that the socket refused counts as given',
    file: 'session/client-session.ts',
    from: 'if (outcome === writeOutcome.refused) reader.next = record.offset',
    to: 'if (outcome === writeOutcome.refused) reader.next = record.offset + 1',
  },
  {
    name: 'a missed record that the socket refused counts as given',
    file: 'session/reader.ts',
    from: 'if (outcome === writeOutcome.refused) this.next = offset\n',
    to: '',
  },
  {
    name: 'a reader that falls behind resumes one late',
    file: 'session/reader.ts',
    from: "this.mode = 'behind'\n    this.next = Math.max(this.next, this.feed.window.head)",
    to: "this.mode = 'behind'\n    this.next = Math.max(this.next, this.feed.window.head + 1)",
  },
  {
    name: 'a gap that the socket refused is forgotten',
    file: 'session/reader.ts',
    from: 'if (!this.#tell(gap)) this.owed.unshift(gap)',
    to: 'this.#tell(gap)',
  },
  {
    name: 'a reader is not told of a rewrite below it',
    file: 'session/reader.ts',
    from: 'if (this.#standsAt() > lost.from) this.#rewind',
    to: 'if (this.#standsAt() > lost.from + 2) this.#rewind',
  },
  {
    name: 'a loss that the index passes is not told',
    file: 'session/reader.ts',
    from: 'if (lost === undefined || lost.from >= to) this.next = to',
    to: 'if (lost === undefined || lost.from >= 0) this.next = to',
  },
  {
    name: 'the next ref of a queue is not let in',
    file: 'session/track.ts',
    from: 'this.join(leg)\n      legs.joined(leg)\n      this.#promote()',
    to: 'this.join(leg)\n      legs.joined(leg)',
  },
  {
    name: 'refs that queue do not hear of the log',
    file: 'session/track.ts',
    from: 'this.#waiting.push(reader)',
    to: 'this.feed.readers.delete(reader)\n    this.#waiting.push(reader)',
  },
  {
    name: '`last` counts in a log that took the place of its own',
    file: 'session/reader.ts',
    from: '    this.only = undefined\n    this.owe(',
    to: '    this.owe(',
    seeds: '7401-7600',
  },
  {
    name: 'a position ahead is not judged again when the log grows past it',
    file: 'session/reader.ts',
    from: 'return generation < 0 ? next : this.feed.window.divergence(next, generation)',
    to: 'return next + 0 * generation',
  },
  {
    name: 'a token of another history is taken as it is',
    file: 'session/start.ts',
    from: 'const agreed = generation < 0 ? offset : feed.window.divergence(offset, generation)',
    to: 'const agreed = offset',
  },
  {
    name: 'in a log that was created again the old offset is kept',
    file: 'session/start.ts',
    from: "return { feed, offset: feed.first, gaps: [owed('recreated'",
    to: "return { feed, offset: position.offset, gaps: [owed('recreated'",
  },
  {
    name: 'a partition that the token does not name is passed without a word',
    file: 'session/start.ts',
    from: "return { feed, offset: head, gaps: [owed('unnamed', firstOffset, head - 1, undefined)] }",
    to: 'return plain(feed, head)',
  },
  {
    name: 'subjects that share a hash are taken for one',
    file: 'session/matcher.ts',
    from: 'if (isSubject(bytes, record.buffer, record.subjectStart, record.subjectEnd)) return true',
    to: 'if (bytes.length > 0) return true',
  },
  {
    name: 'an event of another collapse key takes the place',
    file: 'session/drops.ts',
    from: 'return sameBytes(buffer, from, from + own.collapseKeyLength, other.buffer, start, start + later.collapseKeyLength)',
    to: 'return later.collapseKeyLength > 0 && start > from - from',
  },
  {
    name: 'what a policy leaves out is not counted',
    file: 'session/reader.ts',
    from: 'dropped.to = offset\n      dropped.n++',
    to: 'dropped.to = offset',
  },
  {
    name: 'control frames that waited are dropped',
    file: 'session/frame-writer.ts',
    from: 'if (outcome === writeOutcome.refused) this.#waiting.unshift(frame)\n',
    to: '',
  },
  {
    name: 'read-back from before a rewrite is used',
    file: 'session/read-back.ts',
    from: ' || chunk.rewrites !== feed.rewrites) continue',
    to: ') continue',
  },
  {
    name: 'who waits for the same read-back is not woken',
    file: 'session/read-back.ts',
    from: 'queue.waiters.set(waiter, { offset: next, sinceMs: this.#clock.monotonicMs() })',
    to: 'if (queue.waiters.size === 0) queue.waiters.set(waiter, { offset: next, sinceMs: this.#clock.monotonicMs() })',
  },
  // The window
  {
    name: 'a chain leads one entry too far back',
    file: 'log/chains.ts',
    from: 'previous[slot] = distance',
    to: 'previous[slot] = distance === 0 ? 0 : distance + 1',
  },
  {
    name: 'a chain does not lead on',
    file: 'log/chains.ts',
    from: 'if (other >= 0) next[other] = distance',
    to: 'if (other >= 0) next[other] = 0',
  },
  {
    name: 'the first since an offset is the one after it',
    file: 'log/chains.ts',
    from: 'if (offsets[slot]! < offset) return at',
    to: 'if (offsets[slot]! <= offset) return at',
  },
  {
    name: 'a slab is given back whose last payload is still shown',
    file: 'log/payloads.ts',
    from: 'this.endOfOldest(headOrdinal) <= ordinal)',
    to: 'this.endOfOldest(headOrdinal) <= ordinal + 1)',
  },
  {
    name: 'a window shows payloads whose slab was taken',
    file: 'log/window.ts',
    from: 'this.tail = this.offsetOf(to - 1) + 1\n      this.tailOrdinal = to',
    to: 'this.tail = this.offsetOf(to - 1)\n      this.tailOrdinal = to - 1',
  },
  {
    name: 'a window claims to have the index of what a taken slab held',
    file: 'log/window.ts',
    from: 'if (to > this.indexOrdinal) this.indexTail = this.offsetOf(to - 1) + 1',
    to: 'if (to > this.indexOrdinal + 1) this.indexTail = this.offsetOf(to - 1)',
  },
  {
    name: 'a slab that was taken is still written to',
    file: 'log/payloads.ts',
    from: 'if (this.slabs.count === 0) this.#end = this.#write',
    to: '',
  },
  {
    name: 'a loss ends one early',
    file: 'log/losses.ts',
    from: 'if (list[i]!.to >= offset) return list[i]',
    to: 'if (list[i]!.to > offset) return list[i]',
  },
  {
    name: 'an epoch agrees up to the end of the next one',
    file: 'log/epochs.ts',
    from: 'find((entry) => entry.epoch > epoch)',
    to: 'find((entry) => entry.epoch > epoch + 1)',
  },
  // The feed
  {
    name: 'retention while a stretch is read back is not told',
    file: 'fanout/stream-feed.ts',
    from: "if (kept > from) window.lost(from, kept - 1, 'retention')",
    to: '',
  },
  {
    name: 'a rewritten log keeps its chunks',
    file: 'fanout/stream-feed.ts',
    from: 'feed.window.truncate(from)\n    feed.rewrites++',
    to: 'feed.window.truncate(from)',
  },
  {
    name: 'what was in its new place too early is lost for good',
    file: 'fanout/stream-feed.ts',
    from: 'for (const feed of this.partitions) feed.regrown()',
    to: '',
  },
  {
    name: 'records in the wrong partition are delivered',
    file: 'fanout/intake.ts',
    from: "if (check !== 'ok') return check",
    to: "if (check === 'no_route') return check",
  },
  {
    name: 'the hub takes a hash for the subject',
    file: 'fanout/hub.ts',
    from: 'if (topic.hash === hash && isSubject(topic.bytes, buffer, start, end)) return topic',
    to: 'if (topic.hash === hash && buffer.length > end - start) return topic',
  },
  {
    name: 'a member that leaves takes another one along',
    file: 'fanout/hub.ts',
    from: 'topic.members[index] = last\n      last.index = index',
    to: 'last.index = index',
  },
  // The edge
  {
    name: 'a poll answers with the position of its start',
    file: 'edge/poll.ts',
    from: '// Between two frames the position moves on past what is not for this client.\n    this.#after = this.session.token()',
    to: '',
  },
  {
    name: 'a poll that is full takes one more and drops it',
    file: 'edge/poll.ts',
    from: 'this.#bytes += frame.length\n',
    to: 'this.#bytes += frame.length\n    if (this.#frames.length > 6) this.#frames.pop()\n',
  },
  {
    name: 'an event-stream goes on with the id of the next event',
    file: 'edge/sse.ts',
    from: "if (this.#full || this.#state !== 'open') return writeOutcome.refused",
    to: "if (this.#full || this.#state !== 'open') return writeOutcome.sent",
  },
  {
    name: 'a full WebSocket is taken for one that refused',
    file: 'edge/websocket.ts',
    from: 'return this.ws.send(frame, this.binary, false) as WriteOutcome',
    to: 'return (this.ws.send(frame, this.binary, false) || writeOutcome.refused) as WriteOutcome',
  },
  // The SDK
  {
    name: 'an event that comes again by name is new',
    file: 'client/followed.ts',
    from: 'if (offset < (this.place.at(position)?.offset ?? 0)) return true\n    if (this.#aheadAt',
    to: 'if (this.#aheadAt',
  },
  {
    name: 'an event that comes again over a shared connection is new',
    file: 'client/followed.ts',
    from: 'if (offset < (own?.offset ?? 0) || ahead.has(offset, event)) return true',
    to: 'if (offset < (own?.offset ?? 0)) return true',
  },
  {
    name: 'after a rewrite an offset is taken for the event that had it',
    file: 'client/ahead.ts',
    from: '(offset < this.#from || this.remembers(offset, event))',
    to: '(offset < this.#from || this.#events.has(offset) || this.remembers(offset, event))',
  },
  {
    name: 'one subscription advances with the other before it is live',
    file: 'client/followed.ts',
    from: 'if (!this.live || this.place.at(position) === undefined) {',
    to: 'if (this.place.at(position) === undefined) {',
  },
  {
    name: 'a place moves before its events are handled',
    file: 'client/inbox.ts',
    from: 'if (move !== undefined) attach(entry.moves, move)',
    to: 'if (move !== undefined) this.handled.move(move)',
  },
  {
    name: 'a full inbox lets go of what is in it',
    file: 'client/inbox.ts',
    from: 'this.#queue.push(entry)',
    to: 'if (!this.#full) this.#queue.push(entry)',
  },
  {
    name: 'what is told to one ref is told to all',
    file: 'client/served.ts',
    from: 'else this.#each(this.#named(refs), (followed) => followed.named(frame, position))',
    to: 'else this.#each(this.#byRef.values(), (followed) => followed.named(frame, position))',
  },
  {
    name: 'subscriptions of a shared connection start where the first one stands',
    file: 'client/place.ts',
    from: 'if (other === undefined || position.offset < other.offset) lowest.set',
    to: 'if (other === undefined) lowest.set',
  },
  {
    name: 'after a loss nobody connects again',
    file: 'client/link.ts',
    from: 'this.#attemptAfter(pauseMs)\n    this.#setState(waiting(code',
    to: 'this.#setState(waiting(code',
  },
  {
    name: 'a connection that says nothing is never given up',
    file: 'client/silence.ts',
    from: 'else this.#onSilent()',
    to: 'else this.#wait(1e9)',
  },
]
