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

test('of the last events, those that the gateway has not read which says that all were given are not due yet', () => {
  const broker = new SimBroker(new VirtualTime(), 1, 'epochs')
  const write = (atMs: number) => {
    const event = makeEvent({ subject: 'a' })
    const record = { key: null, value: null, event, timeMs: atMs, damaged: false, transaction: undefined }
    return broker.log(0).append(record, atMs)
  }
  const [, older, newest] = [write(1), write(2), write(3)]
  const headed = (head: number) => new Map([[placeOf(0, 0), head]])
  const asked = { subject: 'a', isLatest: false, last: 2, presented: [], atMs: 10, heads: headed(3), epochs: headed(0) }
  const fault = (given: readonly (typeof older)[], heads?: ReadonlyMap<string, number>) =>
    lastFault(
      new Truth(broker),
      { asked, given: new Set(given), told: new Set<string>(), ...(heads && { heads }) },
      true,
    )
  assert.equal(fault([older, newest]), undefined)
  assert.ok(fault([older]), 'it was counted by the gateway that was asked')
  assert.ok(fault([older], headed(3)))
  assert.equal(fault([older], headed(2)), undefined)
  assert.equal(fault([], new Map()), undefined, 'nor has it heard of the partition')
  assert.ok(fault([], headed(2)), 'the older one is there')
})
