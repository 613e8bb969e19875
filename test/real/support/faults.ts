import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Damage, SteadyFlow, SteadySite } from './steady.ts'
import type { SteadyClient } from './steady-client.ts'
import type { Moved } from './steady-judge.ts'

/** What the suites of faults share, whichever the broker. */

export async function steadyFlow(t: TestContext, site: SteadySite, stream: string, fault: string): Promise<SteadyFlow> {
  const started = await site.flow(stream, fault)
  t.after(async () => {
    started.close()
    await started.publisher.stop()
  })
  return started
}

/** Ends the flow and holds what must hold whatever the fault was: nothing is lost without a word. */
export async function keptPromises(running: SteadyFlow, moved?: Moved): Promise<Damage> {
  const row = await running.end(moved)
  assert.ok(row.acknowledged > 0)
  assert.deepEqual(row.lost.slice(0, 5), [], `${row.lost.length} events are lost`)
  assert.deepEqual(row.repeated.slice(0, 5), [])
  assert.deepEqual(row.disordered.slice(0, 5), [])
  assert.deepEqual(row.invented.slice(0, 5), [])
  for (const client of running.clients) assert.deepEqual(client.problems, [], client.name)
  return row
}

/** Clients and publishers notice nothing but the wait. */
export function assertUntold(row: Damage, mostMs: number): void {
  assert.deepEqual(row.gaps, [])
  assert.equal(row.events - row.acknowledged, 0, JSON.stringify([...row.problems]))
  assert.ok(row.outageMs < mostMs, `${row.outageMs} ms`)
}

/** The first gateway's clients are away while `run` runs; they come back to a gateway that was started anew. */
export async function whileAway(
  site: SteadySite,
  running: SteadyFlow,
  run: () => Promise<void>,
): Promise<SteadyClient[]> {
  const [first] = site.gateways
  const away = running.on(first)
  for (const client of away) client.cut()
  await first.end('SIGKILL')
  await run()
  await site.begin(first)
  for (const client of away) client.resume(first.url)
  return away
}
