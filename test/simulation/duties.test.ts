import assert from 'node:assert/strict'
import test from 'node:test'
import { makeEvent } from '../../src/wire/frames.ts'
import { SimBroker } from './broker.ts'
import { lastFault, type Told } from './duties.ts'
import { placeOf } from './excuses.ts'
import { Truth } from './truth.ts'
import { VirtualTime } from './virtual-time.ts'

/** A log of three records of one subject. The last two are the last events. */
function written() {
  const broker = new SimBroker(new VirtualTime(), 1, 'ranges')
  const write = (atMs: number) => {
    const event = makeEvent({ subject: 'a' })
    const record = { key: null, value: null, event, timeMs: atMs, damaged: false, transaction: undefined }
    return broker.log(0).append(record, atMs)
  }
  const [, older, newest] = [write(1), write(2), write(3)]
  return { broker, older, newest }
}

test('of the last events, those that its gateway counted before they were rewritten away are no longer due', () => {
  for (const [epoch, isDue] of [
    [0, false],
    [1, true],
    [-1, false],
  ] as const) {
    const broker = new SimBroker(new VirtualTime(), 1, 'ranges')
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
      lastFault(new Truth(broker), { asked, given: new Set(given), told: [] }, true)
    assert.equal(fault([newest!]) !== undefined, isDue, `held the history of epoch ${epoch}`)
    assert.ok(fault([]), 'what is still there of those it counted is due')
    assert.equal(fault([older!, newest!]), undefined)
  }
})

test('of the last events, those that the gateway has not read which says that all were given are not due yet', () => {
  const { broker, older, newest } = written()
  const headed = (head: number) => new Map([[placeOf(0, 0), head]])
  const asked = { subject: 'a', isLatest: false, last: 2, presented: [], atMs: 10, heads: headed(3), epochs: headed(0) }
  const fault = (given: readonly (typeof older)[], heads?: ReadonlyMap<string, number>) =>
    lastFault(new Truth(broker), { asked, given: new Set(given), told: [], ...(heads && { heads }) }, true)
  assert.equal(fault([older, newest]), undefined)
  assert.ok(fault([older]), 'it was counted by the gateway that was asked')
  assert.ok(fault([older], headed(3)))
  assert.equal(fault([older], headed(2)), undefined)
  assert.equal(fault([], new Map()), undefined, 'nor has it heard of the partition')
  assert.ok(fault([], headed(2)), 'the older one is there')
})

test('of the last events, those count that its gateway read while the request was on its way, and the other one has not', () => {
  const at = (head: number, epoch = 0) => ({
    heads: new Map([[placeOf(0, 0), head]]),
    epochs: new Map([[placeOf(0, 0), epoch]]),
    atMs: 10,
  })
  const ask = (head: number, epoch?: number) => ({
    ...at(head, epoch),
    subject: 'a',
    isLatest: false,
    last: 2,
    presented: [],
  })
  const { broker, older } = written()
  const fault = (asked: ReturnType<typeof ask>, answered: ReturnType<typeof at>, head: number) =>
    lastFault(new Truth(broker), { asked, given: new Set([older!]), told: [], answered, heads: at(head).heads }, false)
  assert.equal(fault(ask(2), at(3), 2), undefined)
  assert.ok(fault(ask(2), at(2), 2), 'it had not read the newest')
  assert.ok(fault(ask(2), { ...at(3), atMs: 2 }, 2), 'nobody could have')
  assert.ok(fault(ask(2), at(3), 3), 'the other one has read it')
  broker.log(0).rewrite(2, 20)
  assert.equal(fault(ask(2), at(3), 2), undefined, 'it was rewritten away since')
  assert.ok(fault(ask(2), at(3, 1), 2), 'it was rewritten away before')
})

test('of the last events, those of a newer history count that its gateway had, and the other one has not', () => {
  const { broker, older } = written()
  const log = broker.log(0)
  log.rewrite(2, 5)
  const event = makeEvent({ subject: 'a' })
  log.append({ key: null, value: null, event, timeMs: 6, damaged: false, transaction: undefined }, 6)
  const heads = (head: number) => new Map([[placeOf(0, 0), head]])
  for (const [head, epoch, isDue] of [
    [2, 1, false],
    [3, 1, true],
    [2, 0, false],
  ] as const) {
    const asked = {
      subject: 'a',
      isLatest: false,
      last: 2,
      presented: [],
      atMs: 10,
      heads: heads(3),
      epochs: heads(epoch),
    }
    const fault = lastFault(new Truth(broker), { asked, given: new Set([older!]), told: [], heads: heads(head) }, false)
    assert.equal(fault !== undefined, isDue, `the other one had read up to ${head}, the first held epoch ${epoch}`)
  }
})

test('of the last events, a gap stands for those that it covers, and for no others', () => {
  const { broker, older, newest } = written()
  const at = (value: number) => new Map([[placeOf(0, 0), value]])
  const asked = { subject: 'a', isLatest: false, last: 2, presented: [], atMs: 10, epochs: at(0) }
  const fault = (given: readonly (typeof newest)[], gap: Partial<Told>, head = 3) => {
    const told: Told[] = [{ incarnation: 0, partition: 0, from: 0, to: 0, reason: 'budget', ...gap }]
    const served = { asked: { ...asked, heads: at(head) }, given: new Set(given), told }
    return lastFault(new Truth(broker), served, true)
  }
  assert.equal(fault([newest], { to: 1 }), undefined)
  assert.ok(fault([newest], { to: 0 }), 'the gap ends below one that is due')
  assert.ok(fault([], { to: 1 }), 'and below the newest here')
  assert.ok(fault([newest], { to: 1, partition: 1 }), 'it is of another partition')
  assert.ok(fault([newest], { from: 2, to: 2, reason: 'ttl' }))
  assert.equal(fault([newest], { from: 1, to: 1, reason: 'ttl' }), undefined, 'of the two, one had expired')
  assert.equal(fault([], { from: 1, to: 2, reason: 'ttl' }), undefined, 'both had')
  assert.ok(fault([older], { from: 9, to: 9, reason: 'ttl' }, 2))
  assert.equal(
    fault([older], { from: 2, to: 2, reason: 'ttl' }, 2),
    undefined,
    'the newest came before its gateway looked',
  )
  assert.equal(fault([], { to: undefined, reason: 'recreated' }), undefined, 'it was led to another log')
})

test('of the last events none is due where a gap of another log came in their partition', () => {
  const { broker } = written()
  const at = new Map([[placeOf(0, 0), 3]])
  const asked = { subject: 'a', isLatest: false, last: 2, presented: [], atMs: 10, heads: at, epochs: undefined }
  const fault = (incarnation: number) => {
    const told = [{ incarnation, partition: 0, reason: 'budget', from: 0, to: 0 } as const]
    return lastFault(new Truth(broker), { asked, given: new Set(), told }, true)
  }
  assert.equal(fault(1), undefined)
  assert.ok(fault(0), 'it tells of none of them')
})
