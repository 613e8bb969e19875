import type { TestContext } from 'node:test'
import { type LoopClock, loopClock } from '../../src/base/clock.ts'
import { Refusals } from '../../src/base/limits.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { Descriptors, EventPublisher } from '../../src/edge/context.ts'
import { type Edge, startEdge } from '../../src/edge/edge.ts'
import type { LocalAccess } from '../../src/edge/local.ts'
import { type EdgeOptions, edgeDefaults } from '../../src/edge/options.ts'
import { allowAll, type Grant, type Identify } from '../../src/identity/grant.ts'
import type { LimitedLogger } from '../../src/telemetry/logger.ts'
import type { Event, Published } from '../../src/wire/frames.ts'
import { FakeSessions } from './fake-sessions.ts'

/** Accepts all events, at offsets from 100 on. */
export class FakePublisher implements EventPublisher {
  readonly calls: { events: readonly Event[]; grant: Grant; options: { traceparent?: string } }[] = []
  answer: (events: readonly Event[]) => Promise<Published[]> = async (events) =>
    events.map((_, i) => ({ after: `after-${100 + i}`, stream: 'events', partition: 3, offset: 100 + i }))

  publish(events: readonly Event[], grant: Grant, options: { traceparent?: string }): Promise<Published[]> {
    this.calls.push({ events, grant, options })
    return this.answer(events)
  }
}

export interface Harness {
  readonly edge: Edge
  readonly sessions: FakeSessions
  readonly publisher: FakePublisher
  readonly port: number
  /** Lines that the edge logged. */
  readonly logged: string[]
  readonly refusals: Refusals
}

interface Given {
  readonly identify: Identify
  readonly descriptors: Descriptors
  readonly local: LocalAccess
}

/** Starts an edge on a free loopback port with fake sessions. It closes at the end of the test. */
export const endlessDescriptors: Descriptors = { forClients: Number.POSITIVE_INFINITY, canOpen: () => true }

export async function withEdge(
  t: TestContext,
  options: Partial<EdgeOptions> = {},
  clock: LoopClock = loopClock(),
  { identify = () => allowAll, descriptors = endlessDescriptors, local }: Partial<Given> = {},
): Promise<Harness> {
  const sessions = new FakeSessions()
  const publisher = new FakePublisher()
  const logged: string[] = []
  const refusals = new Refusals()
  const logger: LimitedLogger = { every: (_limit, level, message) => logged.push(`${level}: ${message}`) }
  const whenKnown = (known: () => void) => {
    known()
    return () => {}
  }
  const contracts = {
    sessions,
    publisher,
    identify,
    clock,
    random: seededRandom(1),
    logger,
    refusals,
    descriptors,
    whenKnown,
  }
  const edge = await startEdge({ ...edgeDefaults, host: '127.0.0.1', port: 0, ...options }, contracts, local)
  t.after(() => {
    edge.stop()
    return Promise.race([edge.close(0), advanceUntilClosed(clock)])
  })
  return { edge, sessions, publisher, port: edge.port, logged, refusals }
}

/** Advances a manual clock while the edge closes, which it needs to finish. */
async function advanceUntilClosed(clock: LoopClock): Promise<void> {
  if (!('advance' in clock) || typeof clock.advance !== 'function') return new Promise(() => {})
  await clock.advance(1000)
}

/** Polls for a fact: resolves when `fact` holds, rejects with its name after `withinMs`. */
export async function until(name: string, fact: () => boolean, withinMs = 30_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!fact()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${name}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
