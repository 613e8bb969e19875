import assert from 'node:assert/strict'
import test from 'node:test'
import type { ClientPlan } from './client.ts'
import type { Connection } from './connection.ts'
import { run } from './history.ts'
import { anyUrl, makePlan } from './plan.ts'
import { World } from './world.ts'

const dies = (connection: Connection) => connection.halfOpen()
const stalls = ({ down }: Connection) => {
  down.stalled = true
}

/** Two tabs share the connection of one of them; a third client is in another browser. */
const browsers = [1, 1, 2]

/** What happens to the connection of each browser right before the last events, and the promise that is broken then. */
const cases: readonly (readonly [fact: string, happens: Readonly<Record<number, typeof dies>>, broken?: string])[] = [
  ['no tab has the last events soon while the connection of the tab that leads is dead', { 1: dies }],
  ['tabs have the last events soon where the connection of the tab that leads lives', { 1: stalls }, 'prompt'],
  ['a dead connection in another browser excuses no tab', { 1: stalls, 2: dies }, 'prompt'],
]

for (const [fact, happens, broken] of cases) {
  test(fact, async (t) => {
    const plan = makePlan(3, 'small')
    const { inbox } = plan.clients[0]!
    const clients = browsers.map((browser, i): ClientPlan => {
      const wishes = [{ subject: plan.subjects[i]!, after: [] }]
      return { wishes, ways: ['websocket'], urls: [anyUrl], consumer: 'handlers', inbox, browser }
    })
    const happened: number[] = []
    const { publish } = World.prototype
    t.mock.method(World.prototype, 'publish', function (this: World, subject: string) {
      for (const { process, plan } of happened.length > 0 ? [] : this.clients) {
        const browser = plan.browser!
        for (const connection of this.connectionsOf(process)) {
          happens[browser]?.(connection)
          happened.push(browser)
        }
      }
      return publish.call(this, subject)
    })
    const { failure } = await run({ ...plan, clients, actions: [] })
    assert.deepEqual(happened.sort(), [1, 2], 'each browser has one connection')
    assert.equal(failure?.promise, broken)
  })
}
