import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type LoopClock, loopClock } from '../../src/base/clock.ts'
import { loadConfig } from '../../src/config/load.ts'
import { startGateway } from '../../src/gateway/gateway.ts'

/** The system's clock with pausable timers. */
function heldClock() {
  const system = loopClock()
  const held: (() => void)[] = []
  let isHeld = false
  const clock: LoopClock = {
    nowUs: () => system.nowUs(),
    monotonicMs: () => system.monotonicMs(),
    turn: (task) => system.turn(task),
    after(ms, task) {
      if (!isHeld) return system.after(ms, task)
      held.push(task)
      return () => {}
    },
  }
  const hold = () => {
    isHeld = true
  }
  const release = () => {
    isHeld = false
    for (const task of held.splice(0)) task()
  }
  return { clock, hold, release }
}

test('a gateway that is shutting down is not ready, and reports that until its clients are gone', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-gateway-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const flags = { broker: `embedded:${dir}`, listen: '127.0.0.1:0', admin: '127.0.0.1:0' }
  const { clock, hold, release } = heldClock()
  const logger = { log() {}, every() {} }
  const gateway = await startGateway(loadConfig({ flags, env: {} }).config, { clock, logger })
  const ready = () => fetch(`${gateway.admin}/readyz`)
  assert.equal((await ready()).status, 200)
  hold()
  const closing = gateway.close()
  const answer = await ready()
  const reasons = await answer.text()
  release()
  await closing
  assert.equal(answer.status, 503)
  assert.match(reasons, /going away/)
})
