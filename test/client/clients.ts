import { Client, type ClientOptions } from '../../src/client/client.ts'
import type { Received } from '../../src/client/received.ts'
import type { State } from '../../src/client/state.ts'
import type { Subscription } from '../../src/client/subscription.ts'
import { ManualClock } from '../model/clock.ts'
import { FakeEnvironment, FakeNet, token } from './fake-transport.ts'

export const stateText = (state: State) => {
  if (state.name === 'connecting') return `connecting ${state.url.slice(7)} ${state.transport}`
  if (state.name === 'waiting') return `waiting ${state.reason.code} ${state.retryMs ?? ''}`.trim()
  return state.name === 'closed' ? `closed ${state.reason.code}` : state.name
}

/**
 * Pause before a shared request left at once is sent again, with these clients' randomness, ms.
 */
export const tornMs = 125

/** A client over transports that the test plays, and what its subscriptions received. */
export async function clientOf(options: Partial<ClientOptions> & { urls?: string[]; kinds?: string } = {}) {
  const net = new FakeNet()
  const clock = new ManualClock()
  const environment = new FakeEnvironment()
  const states: string[] = []
  const kinds = (options.kinds ?? 'ws').split(' ')
  const client = new Client(options.urls ?? ['http://one'], {
    ways: kinds.map((kind) => net.transport(kind, kind === 'ws')),
    clock,
    random: { next: () => 0.5 },
    environment,
    onState: (state) => states.push(stateText(state)),
    ...options,
  })
  const told: Record<string, unknown[]> = {}
  const subscribe = (subject: string, after: string[] = []): Subscription => {
    const own: unknown[] = []
    told[subject] = own
    const item = (each: Received) => void own.push(each.kind === 'event' ? each.offset : each.reason)
    return client.subscribe(subject, {
      after,
      onEvent: item,
      onGap: item,
      onClosed: ({ code }) => own.push(`closed ${code}`),
    })
  }
  return { client, net, clock, environment, states, told, subscribe }
}

/** A client that is connected and live. */
export async function live(subjects: readonly string[], options: Parameters<typeof clientOf>[0] = {}) {
  const all = await clientOf(options)
  const subscriptions = subjects.map((subject) => all.subscribe(subject))
  await all.clock.advance(0)
  for (const { ref } of all.net.last.wishes) {
    all.net.last.handlers.frame({ kind: 'subscribed', ref, after: token(3) })
    all.net.last.handlers.frame({ kind: 'live', ref })
  }
  return { ...all, subscriptions }
}
