import type { Mutant } from './mutant.ts'

export const clientMutants: readonly Mutant[] = [
  {
    name: 'an event that comes again by name is new',
    file: 'client/followed.ts',
    from: 'if (offset < (this.place.at(position)?.offset ?? 0)) return true\n    if (this.#aheadAt',
    to: 'if (this.#aheadAt',
    by: 'simulation',
  },
  {
    name: 'an event that comes again over a shared connection is new',
    file: 'client/followed.ts',
    from: 'if (offset < (own?.offset ?? 0) || ahead.has(offset, event)) return true',
    to: 'if (offset < (own?.offset ?? 0)) return true',
    by: 'simulation',
  },
  {
    name: 'after a rewrite an offset is taken for the event that had it',
    file: 'client/ahead.ts',
    from: '(offset < this.#from || this.remembers(offset, event))',
    to: '(offset < this.#from || this.#events.has(offset) || this.remembers(offset, event))',
    by: 'simulation',
  },
  {
    name: 'one subscription advances with the other before it is live',
    file: 'client/followed.ts',
    from: 'if (!this.live || this.place.at(position) === undefined) {',
    to: 'if (this.place.at(position) === undefined) {',
    by: 'simulation',
  },
  {
    name: 'a place moves before its events are handled',
    file: 'client/inbox.ts',
    from: 'if (move !== undefined) attach(entry.moves, move)',
    to: 'if (move !== undefined) this.handled.move(move)',
    by: 'simulation',
  },
  {
    name: 'a full inbox lets go of what is in it',
    file: 'client/inbox.ts',
    from: 'this.#queue.push(entry)',
    to: 'if (!this.#full) this.#queue.push(entry)',
    by: 'simulation',
  },
  {
    name: 'what is told to one ref is told to all',
    file: 'client/served.ts',
    from: 'else this.#each(this.#named(refs), (followed) => followed.named(frame, position))',
    to: 'else this.#each(this.#byRef.values(), (followed) => followed.named(frame, position))',
    by: 'simulation',
  },
  {
    name: 'subscriptions of a shared connection start where the first one stands',
    file: 'client/place.ts',
    from: 'if (other === undefined || position.offset < other.offset) lowest.set',
    to: 'if (other === undefined) lowest.set',
    by: 'simulation',
  },
  {
    name: 'after a loss nobody connects again',
    file: 'client/link.ts',
    from: 'this.#attemptAfter(pauseMs)\n    this.#setState(waiting(code',
    to: 'this.#setState(waiting(code',
    by: 'simulation',
  },
  {
    name: 'a connection that says nothing is never given up',
    file: 'client/silence.ts',
    from: 'else this.#onSilent()',
    to: 'else this.#wait(1e9)',
    by: 'simulation',
  },
]
