import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Effect, type LinkEvent, next, type Phase } from '../../src/client/phase.ts'

/**
 * The events of each phase, and their results: the next phase, `=` for the same, and the effects.
 */
const steps: Readonly<Record<Phase, string>> = {
  idle: `
    joined      waiting attempt
    deserted    =
    rerouted    =
    closed      closed leave`,
  held: `
    joined      waiting attempt
    deserted    idle
    due         choosing leave choose
    rerouted    waiting leave attempt
    retry       waiting leave attempt
    online      waiting startOver
    offline     choosing leave choose
    closed      closed leave`,
  waiting: `
    joined      = inform
    deserted    =
    due         choosing leave choose
    rerouted    = leave attempt
    retry       = leave attempt
    online      = startOver
    offline     choosing leave choose
    closed      closed leave`,
  choosing: `
    joined      =
    deserted    idle
    barred      held
    due         = leave choose
    separate    connecting
    shared      requesting
    rerouted    waiting leave attempt
    retry       waiting leave attempt
    online      waiting startOver
    offline     = leave choose
    closed      closed leave`,
  connecting: `
    joined      = ask
    deserted    leaving linger
    due         choosing leave choose
    heard       open greet
    rerouted    waiting leave attempt
    lost        waiting leave backOff
    refused     held leave end
    retry       = check
    online      = check
    offline     = check
    closed      closed leave`,
  open: `
    joined      = ask
    deserted    lingering linger
    due         choosing leave choose
    heard       =
    rerouted    waiting leave attempt
    lost        waiting leave backOff
    refused     held leave end
    retry       = check
    online      = check
    offline     = check
    closed      closed leave`,
  leaving: `
    joined      connecting ask
    deserted    =
    unused      idle leave
    due         idle leave
    heard       lingering greet
    rerouted    idle leave
    lost        idle leave
    refused     idle leave
    closed      closed leave`,
  lingering: `
    joined      open ask
    deserted    =
    unused      idle leave
    due         idle leave
    heard       =
    rerouted    idle leave
    lost        idle leave
    refused     idle leave
    closed      closed leave`,
  requesting: `
    joined      = attempt
    deserted    idle leave
    due         choosing leave choose
    heard       streaming greet
    outdated    = attempt
    torn        waiting leave comeApart
    rerouted    waiting leave attempt
    lost        waiting leave backOff
    refused     held leave sort
    retry       =
    online      choosing leave choose
    offline     =
    closed      closed leave`,
  streaming: `
    joined      = attempt
    deserted    idle leave
    due         choosing leave choose
    heard       =
    outdated    = attempt
    torn        waiting leave comeApart
    rerouted    waiting leave attempt
    lost        waiting leave backOff
    refused     held leave sort
    retry       =
    online      choosing leave choose
    offline     =
    closed      closed leave`,
  closed: '',
}

/** By phase and event. */
const expected = new Map(
  Object.entries(steps).flatMap(([phase, rows]) =>
    rows.split('\n').flatMap((row): [string, string][] => {
      const [event, ...step] = row.trim().split(/ +/)
      return step.length === 0 ? [] : [[`${phase} ${event}`, step.join(' ').replace(/^=/, phase)]]
    }),
  ),
)
const phases = Object.keys(steps) as Phase[]
const eventSet: Readonly<Record<LinkEvent, true>> = {
  joined: true,
  deserted: true,
  unused: true,
  due: true,
  barred: true,
  separate: true,
  shared: true,
  heard: true,
  outdated: true,
  torn: true,
  rerouted: true,
  lost: true,
  refused: true,
  retry: true,
  online: true,
  offline: true,
  closed: true,
}
const events = Object.keys(eventSet) as LinkEvent[]

test('each phase accepts its events with the listed results, and every other event is an error', () => {
  for (const phase of phases.filter((each) => each !== 'closed')) {
    for (const event of events) {
      const step = expected.get(`${phase} ${event}`)
      if (step === undefined) assert.throws(() => next(phase, event), { message: `${event} while ${phase}` })
      else assert.equal(next(phase, event).join(' '), step, `${event} while ${phase}`)
    }
  }
})

test('events after the end change nothing', () => {
  for (const event of events) assert.deepEqual(next('closed', event), ['closed'])
})

test('an effect with callbacks comes last: a callback may call back, and finds the step done', () => {
  const telling: ReadonlySet<Effect> = new Set([
    'choose',
    'backOff',
    'comeApart',
    'ask',
    'inform',
    'greet',
    'end',
    'sort',
  ])
  for (const key of expected.keys()) {
    const [phase, event] = key.split(' ') as [Phase, LinkEvent]
    const [, ...effects] = next(phase, event)
    assert.ok(!effects.slice(0, -1).some((effect) => telling.has(effect)), key)
  }
})

test('each phase leads to every other one, except the closed one', () => {
  const reached = (from: Phase): Set<Phase> => {
    const found = new Set([from])
    for (const phase of found) {
      for (const event of events) {
        if (expected.has(`${phase} ${event}`)) found.add(next(phase, event)[0])
      }
    }
    return found
  }
  for (const phase of phases) assert.equal(reached(phase).size, phase === 'closed' ? 1 : phases.length, phase)
})
