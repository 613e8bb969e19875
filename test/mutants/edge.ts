import type { Mutant } from './mutant.ts'

export const edgeMutants: readonly Mutant[] = [
  {
    name: 'a poll answers with the position of its start',
    file: 'edge/poll.ts',
    from: '// Between two frames the position moves on past what is not for this client.\n    this.#after = this.session.token()',
    to: '',
    by: 'simulation',
  },
  {
    name: 'a poll that is full takes one more and drops it',
    file: 'edge/poll.ts',
    from: 'this.#bytes += frame.length\n',
    to: 'this.#bytes += frame.length\n    if (this.#frames.length > 6) this.#frames.pop()\n',
    by: 'simulation',
  },
  {
    name: 'an event-stream goes on with the id of the next event',
    file: 'edge/sse.ts',
    from: "if (this.#full || this.#state !== 'open') return writeOutcome.refused",
    to: "if (this.#full || this.#state !== 'open') return writeOutcome.sent",
    by: 'simulation',
  },
  {
    name: 'a full WebSocket is taken for one that refused',
    file: 'edge/websocket.ts',
    from: 'return this.ws.send(frame, this.binary, false) as WriteOutcome',
    to: 'return (this.ws.send(frame, this.binary, false) || writeOutcome.refused) as WriteOutcome',
    by: 'simulation',
  },
]
