import assert from 'node:assert/strict'
import test from 'node:test'
import { Window } from '../../src/log/window.ts'
import { run } from './history.ts'
import { makePlan } from './plan.ts'
import { shrink } from './shrink.ts'
import { type SourceKind, sourceKinds } from './simulated-source.ts'

for (const source of Object.keys(sourceKinds) as SourceKind[]) {
  test(`a seed is the same history each time: ${source}`, async () => {
    let seed = 3
    let first = await run(makePlan(seed, 'small', source), { trace: true })
    while (first.delivered < 20 && seed < 40) first = await run(makePlan(++seed, 'small', source), { trace: true })
    assert.ok(first.delivered >= 20, 'something happened in it')
    assert.deepEqual(await run(makePlan(seed, 'small', source), { trace: true }), first)
  })
}

test('a window that answers wrongly is noticed, and its story gets short', async () => {
  const { following } = Window.prototype
  Window.prototype.following = function (this: Window, ordinal: number) {
    const next = following.call(this, ordinal)
    return next < 0 ? next : following.call(this, next)
  }
  try {
    let seed = 1
    let failure = (await run(makePlan(seed, 'small'))).failure
    while (failure === undefined && seed < 30) failure = (await run(makePlan(++seed, 'small'))).failure
    assert.ok(failure !== undefined, 'thirty histories notice')
    const plan = makePlan(seed, 'small')
    const least = await shrink(plan, failure.promise)
    assert.ok(
      least.actions.length < plan.actions.length / 4,
      `${least.actions.length} of ${plan.actions.length} actions`,
    )
    assert.equal((await run(least)).failure?.promise, failure.promise)
  } finally {
    Window.prototype.following = following
  }
})
