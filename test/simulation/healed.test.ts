import assert from 'node:assert/strict'
import test from 'node:test'
import { type ClientPlan, SimClient } from './client.ts'
import { run } from './history.ts'
import { type ActionKind, anyUrl, makePlan } from './plan.ts'
import { World } from './world.ts'

/** Start of the faults, each of which lasts for seconds. */
const atMs = 3000

for (const kind of ['offline', 'hidden', 'forge'] satisfies ActionKind[]) {
  test(`a fault in progress when the cluster heals ends before the last events: ${kind}`, async (t) => {
    const plan = makePlan(3, 'small')
    const { inbox } = plan.clients[0]!
    const wishes = [{ subject: plan.subjects[0]!, after: [] }]
    const client: ClientPlan = { wishes, ways: ['sse'], urls: [anyUrl], consumer: 'handlers', inbox }
    const sessions: number[] = []
    const { publish } = World.prototype
    t.mock.method(World.prototype, 'publish', function (this: World, subject: string) {
      sessions.push(this.gateways.reduce((sum, gateway) => sum + gateway.sessions.size, 0))
      return publish.call(this, subject)
    })
    const late: string[] = []
    const { happens } = SimClient.prototype
    t.mock.method(SimClient.prototype, 'happens', function (this: SimClient, ...[what]: Parameters<typeof happens>) {
      if (sessions.length > 0) late.push(what)
      happens.call(this, what)
    })
    const action = { kind, atMs, x: 0, y: 0.6, z: 0.6174 }
    const { failure } = await run({ ...plan, clients: [client], actions: [action] })
    assert.equal(failure, undefined)
    assert.deepEqual(late, [])
    assert.deepEqual(new Set(sessions), new Set([1]), 'the sessions of one client, and of nobody else')
  })
}
