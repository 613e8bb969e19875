import assert from 'node:assert/strict'
import test from 'node:test'
import { type ClientPlan, SimClient } from './client.ts'
import type { Connection } from './connection.ts'
import { run } from './history.ts'
import { type Action, anyUrl, makePlan } from './plan.ts'
import { World } from './world.ts'

/** Each event ends a poll, so that the client sends the next one. */
const actions = Array.from({ length: 60 }, (_, i): Action => ({ kind: 'publish', atMs: 500 * i, x: 0, y: 0, z: 0 }))

/** Cases: the gateway whose clock is behind all welcomes, and the promise that breaks. */
const cases = [
  [
    'the welcome of a WebSocket is not held against the clock of the gateway that a poll reached since',
    'poll',
    undefined,
  ],
  ['the welcome of a WebSocket is held against the clock of its gateway, while its client polls', 'ws', 'conversation'],
] as const

for (const [fact, behind, broken] of cases) {
  test(fact, async (t) => {
    const { reached } = SimClient.prototype
    t.mock.method(
      SimClient.prototype,
      'reached',
      function (this: SimClient, ...[url, own]: Parameters<typeof reached>) {
        const clockMs = () => ({ most: 0, least: 0 })
        reached.call(this, url, url.pathname === `/v1/${behind}` ? { ...own, clockMs } : own)
      },
    )
    /**
     * The first WebSocket, and the connections that came since, up to the one at which its
     * welcome arrives.
     */
    let tried: Connection | undefined
    const since: string[] = []
    const { connect } = World.prototype
    t.mock.method(
      World.prototype,
      'connect',
      function (this: World, ...[url, request, end]: Parameters<typeof connect>) {
        const connection = connect.call(this, url, request, end)
        if (tried !== undefined) {
          if (since.push(url.pathname) === 1) tried.down.resume()
        } else if (url.pathname === '/v1/ws') {
          tried = connection
          if (tried !== undefined) tried.down.stalled = true
        } else {
          this.reach.get(this.time.running!)!.blocked = ''
        }
        return connection
      },
    )
    const { addClient } = World.prototype
    t.mock.method(World.prototype, 'addClient', function (this: World, ...args: Parameters<typeof addClient>) {
      const client = addClient.apply(this, args)
      this.reach.get(client.process)!.blocked = '/v1/ws'
      return client
    })
    const plan = makePlan(3, 'small')
    const { inbox } = plan.clients[0]!
    const wishes = [{ subject: '>', after: [] }]
    const client: ClientPlan = { wishes, ways: ['websocket', 'poll'], urls: [anyUrl], consumer: 'handlers', inbox }
    const { failure } = await run({ ...plan, clients: [client], actions })
    assert.equal(since[0], '/v1/poll')
    assert.equal(failure?.promise, broken)
  })
}
