/**
 * The phases of a link. On a separate connection, such as a WebSocket, each subscription has its
 * own position. On a shared connection, such as an SSE request, all have the same position.
 */
export type Phase =
  /** No subscriptions. */
  | 'idle'
  /**
   * Subscriptions wait without an attempt: the device is offline, the page hidden, or it was
   * refused.
   */
  | 'held'
  /** The next attempt is scheduled, even if no subscription is left by then. */
  | 'waiting'
  /** Decides whether, where and for which subscriptions to connect. */
  | 'choosing'
  /** A separate connection is opening; no gateway has answered. */
  | 'connecting'
  /** A separate connection; a gateway has answered. */
  | 'open'
  /** An unused separate connection, kept for its next user; no gateway has answered. */
  | 'leaving'
  /** An unused separate connection, kept for its next user; a gateway has answered. */
  | 'lingering'
  /** A shared connection is opening; no gateway has answered. */
  | 'requesting'
  /** A shared connection; a gateway has answered. */
  | 'streaming'
  /** Final: no event changes it. */
  | 'closed'

export type LinkEvent =
  /** A subscription has joined. */
  | 'joined'
  /** The last subscription has left. */
  | 'deserted'
  /** The time for which an unused connection is kept has passed. */
  | 'unused'
  /** It is time to choose: for a scheduled attempt, or because the choice has changed. */
  | 'due'
  /** Connecting is not allowed now. */
  | 'barred'
  /** A separate connection is being opened. */
  | 'separate'
  /** A shared connection is being opened. */
  | 'shared'
  /** The gateway has answered. */
  | 'heard'
  /** A request for other subscriptions, or for more, is to replace a shared connection. */
  | 'outdated'
  /**
   * What a shared connection still delivers would move a subscription past a gap that it has to
   * report.
   */
  | 'torn'
  /** The transports have changed. */
  | 'rerouted'
  | 'lost'
  /** Refused for good. */
  | 'refused'
  /** There is a reason to try now. */
  | 'retry'
  | 'online'
  | 'offline'
  | 'closed'

export type Effect =
  /** Closes the connection and cancels all timers. */
  | 'leave'
  | 'choose'
  /** Schedules one attempt, at once or as soon as the gateway allows, for all changes together. */
  | 'attempt'
  /** Schedules an attempt with back-off: gateways may disagree for a while. */
  | 'comeApart'
  /**
   * Resets the back-off and schedules an attempt after a short random delay, to spread clients.
   */
  | 'startOver'
  | 'backOff'
  /** Starts the timer of `unused`. */
  | 'linger'
  /** Requests what is not served yet. */
  | 'ask'
  /** Reports the present state to the new subscription. */
  | 'inform'
  /** Handles the first answer of a gateway. */
  | 'greet'
  /** Requests a sign of life. */
  | 'check'
  /** Reports the refusal of the client as a whole. */
  | 'end'
  /** Finds out which subscriptions the refusal concerns. */
  | 'sort'

/**
 * The next phase and its effects. An effect with callbacks, which may call back at once, is last.
 */
export type Step = readonly [Phase, ...Effect[]]

type Row = Partial<Readonly<Record<LinkEvent, Step>>>

const soon: Step = ['waiting', 'attempt']
const afresh: Step = ['waiting', 'leave', 'attempt']
const anew: Step = ['choosing', 'leave', 'choose']
const over: Step = ['idle', 'leave']

/** Rows while subscriptions wait without a connection. */
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

/** Returns the next phase and its effects. Throws if the event can't occur in the phase. */
export function next(phase: Phase, event: LinkEvent): Step {
  if (phase === 'closed') return [phase]
  const step = event === 'closed' ? ([event, 'leave'] as const) : table[phase][event]
  if (step === undefined) throw new Error(`${event} while ${phase}`)
  return step
}
