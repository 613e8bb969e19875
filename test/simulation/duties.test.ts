import assert from 'node:assert/strict'
import test from 'node:test'
import { makeEvent } from '../../src/wire/frames.ts'
import { SimBroker } from './broker.ts'
import { lastFault } from './duties.ts'
import { placeOf } from './excuses.ts'
import { Truth } from './truth.ts'
import { VirtualTime } from './virtual-time.ts'

test('of the last events, those that its gateway counted before they were rewritten away are no longer due', () => {
  for (const [epoch, isDue] of [
    [0, false],
    [1, true],
    [-1, false],
  ] as const) {
    const broker = new SimBroker(new VirtualTime(), 1, 'epochs')
    const log = broker.log(0)
    const write = (atMs: number) => {
      const event = makeEvent({ subject: 'a' })
      return log.append({ key: null, value: null, event, timeMs: atMs, damaged: false, transaction: undefined }, atMs)
    }
    const [older, newest] = [write(1), write(2), write(3)]
    log.rewrite(2, 5)
    write(6)
    const at = new Map([[placeOf(0, 0), 3]])
    const epochs = new Map([[placeOf(0, 0), epoch]])
    const asked = { subject: 'a', isLatest: false, last: 2, presented: [], atMs: 10, heads: at, epochs }
    const fault = (given: readonly (typeof older)[]) =>
      lastFault(new Truth(broker), { asked, given: new Set(given), told: new Set<string>() }, true)
    assert.equal(fault([newest!]) !== undefined, isDue, `held the history of epoch ${epoch}`)
    assert.ok(fault([]), 'what is still there of those it counted is due')
    assert.equal(fault([older!, newest!]), undefined)
  }
})
