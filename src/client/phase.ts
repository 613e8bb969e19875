/**
 * What a link is doing. On a separate connection, such as a WebSocket, each subscription has a position of its own; on a shared one, such
 * as an SSE request, all have the same.
 */
export type Phase =
  /** There is nothing to do. */
  | 'idle'
  /** Somebody wants to be served, and nothing is tried by itself: the device is offline, the page hidden, or it was refused. */
  | 'held'
  /** The next attempt has its time, whether or not anybody is left to be served then. */
  | 'waiting'
  /** It finds out whether, where and for whom to connect. */
  | 'choosing'
  /** There is a separate connection, and no gateway has answered. */
  | 'connecting'
  /** A gateway has answered. */
  | 'open'
  /** Nobody uses a separate connection any more, on which no gateway has answered; its next user may come at once. */
  | 'leaving'
  /** The same, and a gateway has answered. */
  | 'lingering'
  /** There is a shared connection, and no gateway has answered. */
  | 'requesting'
  /** A gateway has answered. */
  | 'streaming'
  /** For good: whatever still comes changes nothing. */
  | 'closed'

export type LinkEvent =
  /** Somebody wants to be served. */
  | 'joined'
  /** Nobody wants to be served any more. */
  | 'deserted'
  /** Nobody came back to the connection. */
  | 'unused'
  /** It is time to choose: of an attempt, or because there is another choice now. */
  | 'due'
  /** This is no time to connect. */
  | 'barred'
  /** A connection is being opened. */
  | 'separate'
  | 'shared'
  /** A gateway has said something. */
  | 'heard'
  /** A request for others, or for more, is to take the place of a shared connection. */
  | 'outdated'
  /** What a shared connection still brings would carry somebody past what is to be told. */
  | 'torn'
  /** There are other ways to connect. */
  | 'rerouted'
  | 'lost'
  /** For good. */
  | 'refused'
  /** There is reason to try now. */
  | 'retry'
  | 'online'
  | 'offline'
  | 'closed'

export type Effect =
  /** The connection, and all timers. */
  | 'leave'
  | 'choose'
  /** At once, or as soon as the gateway allows; one for all that change together. */
  | 'attempt'
  /** Leaving at once may be of no use for a while, as gateways disagree. */
  | 'comeApart'
  /** As after no failure, and not all clients at the same time. */
  | 'startOver'
  | 'backOff'
  /** Until `unused`. */
  | 'linger'
  /** For whoever is not served. */
  | 'ask'
  /** Who has joined waits like the others. */
  | 'inform'
  /** A gateway has answered. */
  | 'greet'
  /** Asks the connection for a sign of life. */
  | 'check'
  /** The refusal is for all. */
  | 'end'
  /** It is to be found out for whom the refusal is. */
  | 'sort'

/** What tells others, who may call back at once, comes last. */
export type Step = readonly [Phase, ...Effect[]]

type Row = Partial<Readonly<Record<LinkEvent, Step>>>

const soon: Step = ['waiting', 'attempt']
const afresh: Step = ['waiting', 'leave', 'attempt']
const anew: Step = ['choosing', 'leave', 'choose']
const over: Step = ['idle', 'leave']

/** Somebody wants to be served, and there is no connection. */
const apart: Row = {
  joined: soon,
  due: anew,
  retry: afresh,
  online: ['waiting', 'startOver'],
  offline: anew,
  rerouted: afresh,
}

const separate = (self: Phase, leaving: Phase): Row => ({
  joined: [self, 'ask'],
  deserted: [leaving, 'linger'],
  due: anew,
  heard: [self],
  rerouted: afresh,
  lost: ['waiting', 'leave', 'backOff'],
  refused: ['held', 'leave', 'end'],
  retry: [self, 'check'],
  online: [self, 'check'],
  offline: [self, 'check'],
})

const shared = (self: Phase): Row => ({
  ...separate(self, self),
  joined: [self, 'attempt'],
  deserted: over,
  outdated: [self, 'attempt'],
  torn: ['waiting', 'leave', 'comeApart'],
  refused: ['held', 'leave', 'sort'],
  retry: [self],
  online: anew,
  offline: [self],
})

const leaving = (self: Phase, back: Phase): Row => ({
  joined: [back, 'ask'],
  deserted: [self],
  unused: over,
  due: over,
  heard: [self],
  rerouted: over,
  lost: over,
  refused: over,
})

const table: Readonly<Record<Phase, Row>> = {
  idle: { joined: soon, deserted: ['idle'], rerouted: ['idle'] },
  held: { ...apart, deserted: ['idle'] },
  waiting: { ...apart, joined: ['waiting', 'inform'], deserted: ['waiting'] },
  choosing: {
    ...apart,
    joined: ['choosing'],
    deserted: ['idle'],
    barred: ['held'],
    separate: ['connecting'],
    shared: ['requesting'],
  },
  connecting: { ...separate('connecting', 'leaving'), heard: ['open', 'greet'] },
  open: separate('open', 'lingering'),
  leaving: { ...leaving('leaving', 'connecting'), heard: ['lingering', 'greet'] },
  lingering: leaving('lingering', 'open'),
  requesting: { ...shared('requesting'), heard: ['streaming', 'greet'] },
  streaming: shared('streaming'),
  closed: {},
}

/** What a link does next. Throws where the event can't come in that phase. */
export function next(phase: Phase, event: LinkEvent): Step {
  if (phase === 'closed') return [phase]
  const step = event === 'closed' ? ([event, 'leave'] as const) : table[phase][event]
  if (step === undefined) throw new Error(`${event} while ${phase}`)
  return step
}
