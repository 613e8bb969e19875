import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TimingWheel, WheelTimer } from '../../src/base/wheel.ts'

/** A manual clock that counts wake-ups. */
class CountingClock {
  ms = 5000
  armed = 0
  readonly #tasks = new Set<{ at: number; task: () => void }>()

  nowUs(): number {
    return this.ms * 1000
  }

  monotonicMs(): number {
    return this.ms
  }

  get waiting(): number {
    return this.#tasks.size
  }

  after(ms: number, task: () => void): () => void {
    const entry = { at: this.ms + ms, task }
    this.armed++
    this.#tasks.add(entry)
    return () => this.#tasks.delete(entry)
  }

  advance(ms: number): void {
    const end = this.ms + ms
    for (;;) {
      const due = [...this.#tasks].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#tasks.delete(due)
      this.ms = Math.max(this.ms, due.at)
      due.task()
    }
    this.ms = end
  }
}

test('timers never run early, run at most one tick late, and run once', () => {
  const delays = fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 40 })
  const steps = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(delays, steps, (waits, advances) => {
      const clock = new CountingClock()
      // 16 slots of 10 ms: most of these delays are longer than a revolution.
      const wheel = new TimingWheel(clock, { tickMs: 10, slots: 16 })
      const ranAt = waits.map(() => [] as number[])
      waits.forEach((ms, i) => {
        wheel.schedule(new WheelTimer(() => ranAt[i]!.push(clock.ms)), ms)
      })
      for (const ms of advances) clock.advance(ms)
      const elapsed = clock.ms - 5000
      waits.forEach((ms, i) => {
        const ran = ranAt[i]!
        assert.ok(ran.length <= 1)
        if (ran.length === 1)
          assert.ok(ran[0]! - 5000 >= ms && ran[0]! - 5000 <= ms + 10, `${ms} ran at ${ran[0]! - 5000}`)
        else assert.ok(elapsed < ms + 10, `${ms} has not run at ${elapsed}`)
      })
      assert.equal(wheel.size, ranAt.filter((ran) => ran.length === 0).length)
    }),
    { numRuns: 200 },
  )
})

test('a cancelled timer does not run, and a moved one runs only at its new time', () => {
  const clock = new CountingClock()
  const wheel = new TimingWheel(clock)
  const ran: string[] = []
  const cancelled = new WheelTimer(() => ran.push('cancelled'))
  const moved = new WheelTimer(() => ran.push(`moved at ${clock.ms - 5000}`))
  wheel.schedule(cancelled, 100)
  wheel.schedule(moved, 100)
  wheel.schedule(moved, 320)
  wheel.cancel(cancelled)
  wheel.cancel(cancelled)
  assert.equal(wheel.size, 1)
  clock.advance(1000)
  assert.deepEqual(ran, ['moved at 320'])
})

test('a task may schedule itself and cancel another task that is due in the same tick', () => {
  const clock = new CountingClock()
  const wheel = new TimingWheel(clock)
  const ran: string[] = []
  const second = new WheelTimer(() => ran.push('second'))
  const first = new WheelTimer(() => {
    ran.push('first')
    wheel.cancel(second)
    if (ran.length < 3) wheel.schedule(first, 0)
  })
  wheel.schedule(first, 50)
  wheel.schedule(second, 50)
  clock.advance(1000)
  assert.deepEqual(ran, ['first', 'first', 'first'])
})

test('ten thousand equal timers cost one wake-up, an empty wheel none', () => {
  const clock = new CountingClock()
  const wheel = new TimingWheel(clock)
  let ran = 0
  const timers = Array.from({ length: 10_000 }, () => new WheelTimer(() => ran++))
  for (const timer of timers) wheel.schedule(timer, 25_000)
  assert.equal(clock.armed, 1)
  clock.advance(25_100)
  assert.equal(ran, 10_000)
  assert.equal(clock.armed, 1)
  assert.equal(clock.waiting, 0)
  for (const timer of timers) wheel.schedule(timer, 25_000)
  for (const timer of timers) wheel.cancel(timer)
  assert.equal(clock.waiting, 0)
})

test('after a stall of many revolutions each due timer runs once', () => {
  const clock = new CountingClock()
  const wheel = new TimingWheel(clock, { tickMs: 10, slots: 16 })
  const ran: number[] = []
  for (const ms of [10, 90, 170, 900]) wheel.schedule(new WheelTimer(() => ran.push(ms)), ms)
  // The event loop stalled: the clock's timer fires 5 s late.
  clock.ms += 5000
  clock.advance(0)
  assert.deepEqual(
    ran.sort((a, b) => a - b),
    [10, 90, 170, 900],
  )
})
