import assert from 'node:assert/strict'
import test from 'node:test'
import type { Lost } from '../../src/log/losses.ts'
import { makeEvent } from '../../src/wire/frames.ts'
import { encodeToken } from '../../src/wire/token.ts'
import { SimBroker } from './broker.ts'
import { placeOf } from './excuses.ts'
import { type Asked, gapFault } from './gap-truth.ts'
import { Truth } from './truth.ts'
import { VirtualTime } from './virtual-time.ts'
import type { GatewayKnowledge } from './witness.ts'

test('of the last events, its gateway found those that it read: not what retention had taken before', () => {
  const broker = new SimBroker(new VirtualTime(), 1, 'ranges')
  const log = broker.log(0)
  for (const atMs of [1, 2, 3, 4]) {
    const event = makeEvent({ subject: 'a' })
    log.append({ key: null, value: null, event, timeMs: atMs, damaged: false, transaction: undefined }, atMs)
  }
  const incarnation = broker.incarnations[0]!
  const [index, head] = [1, 4]
  const generationAt = () => 0
  const memory = () => ({ tail: index, indexTail: index, generationAt, nextLost: () => undefined })
  const reading = () => ({ sinceMs: 0, from: 0 })
  const gateway: GatewayKnowledge = { reading, head: () => head, memory, maxBytesPerSession: 0 }
  const after = encodeToken([
    {
      nameHash: incarnation.nameHash,
      incarnationHash: incarnation.incarnationHash,
      partition: 0,
      offset: 1,
      generation: 0,
    },
  ])
  const { name: stream } = broker
  const gap = { kind: 'gap', stream, partition: 0, from: 0, to: 0, reason: 'budget', certain: false, after } as const
  const at = (value: number) => new Map([[placeOf(0, 0), value]])
  const fault = (last: number, ...missed: Lost[]) => {
    const lost = new Map([[placeOf(0, 0), missed]])
    const counted = { last, heads: at(head), epochs: at(0), lost }
    const asked = [{ subject: 'a', isLatest: false, presented: [], atMs: 10, ...counted }]
    return gapFault(new Truth(broker), { gap, incarnation, asked, isOfOne: true, gateway, nowMs: 20 })
  }
  const missed = { from: 2, to: 2, reason: 'retention' } as const
  assert.equal(fault(4), undefined, 'there may be a fourth one')
  assert.ok(fault(3))
  assert.ok(fault(3, missed), 'what is still there was not taken')
  log.retain(3, 15)
  assert.ok(fault(3), 'its gateway had read what is gone by now')
  assert.equal(fault(3, missed), undefined)
  assert.ok(fault(2, missed), 'two it had read')
  assert.ok(fault(3, { ...missed, from: 0, to: 0 }), 'what lies below its index does not count')
})

test('no gap names offsets below the first that a log has', () => {
  for (const generations of ['ranges', 'times'] as const) {
    const broker = new SimBroker(new VirtualTime(), 1, generations)
    const log = broker.log(0)
    for (const atMs of [1, 2, 3]) {
      const event = makeEvent({ subject: 'a' })
      log.append({ key: null, value: null, event, timeMs: atMs, damaged: false, transaction: undefined }, atMs)
    }
    log.retain(broker.firstOffset + 2, 10)
    const { name: stream, current: incarnation, firstOffset } = broker
    const { nameHash, incarnationHash } = incarnation
    const fault = (from: number, to: number) => {
      const after = encodeToken([{ nameHash, incarnationHash, partition: 0, offset: to + 1, generation: -1 }])
      const gap = { kind: 'gap', stream, partition: 0, from, to, reason: 'retention', certain: false, after } as const
      const told = { gap, incarnation, asked: [], isOfOne: false, gateway: undefined, nowMs: 20 }
      return gapFault(new Truth(broker), told)
    }
    assert.equal(fault(firstOffset, firstOffset + 1), undefined, generations)
    for (const to of [firstOffset - 1, firstOffset + 1]) assert.ok(fault(firstOffset - 1, to), `${generations} ${to}`)
  }
})

test('what is older than a gateway reads back is so in the log as it had that, unless it knew of a rewrite when it was asked', () => {
  const broker = new SimBroker(new VirtualTime(), 1, 'ranges')
  const log = broker.log(0)
  const write = (atMs: number) => {
    const record = { key: null, value: null, event: makeEvent({ subject: 'a' }), timeMs: atMs, damaged: false }
    log.append({ ...record, transaction: undefined }, atMs)
  }
  for (let i = 0; i < 3; i++) write(1)
  log.rewrite(0, 100)
  for (let i = 0; i < 3; i++) write(101)
  const incarnation = broker.current
  const { nameHash, incarnationHash } = incarnation
  const after = encodeToken([{ nameHash, incarnationHash, partition: 0, offset: 2, generation: -1 }])
  const { name: stream } = broker
  const gap = { kind: 'gap', stream, partition: 0, from: 0, to: 1, reason: 'budget', certain: false, after } as const
  const fault = (epoch: number, nowMs: number) => {
    const memory = () => ({ tail: 2, indexTail: 2, generationAt: () => epoch, nextLost: () => undefined })
    const clockMs = () => ({ most: nowMs, least: nowMs })
    const bounds = { maxBytesPerSession: 0, maxAgeMs: nowMs - 50 }
    const gateway = { reading: () => ({ sinceMs: 0, from: 0 }), head: () => 3, memory, ...bounds, clockMs }
    const epochs = new Map([[placeOf(0, 0), epoch]])
    const asked = [{ subject: 'a', isLatest: false, last: undefined, presented: [], atMs: 0, heads: new Map(), epochs }]
    return gapFault(new Truth(broker), { gap, incarnation, asked, isOfOne: true, gateway, nowMs })
  }
  assert.equal(fault(0, 120), undefined)
  assert.equal(fault(-1, 120), undefined, 'nobody knows which history it had')
  assert.ok(fault(1, 120), 'it had the history of now')
  assert.ok(fault(0, 60_000), 'it has heard of the rewrite by then')
})

test('of several who ask for their last events together the gap is that of who found least, and may reach past what another one found', () => {
  const broker = new SimBroker(new VirtualTime(), 1, 'ranges')
  const log = broker.log(0)
  for (const atMs of [1, 2, 3, 4]) {
    const event = makeEvent({ subject: 'a' })
    log.append({ key: null, value: null, event, timeMs: atMs, damaged: false, transaction: undefined }, atMs)
  }
  const { name: stream, current: incarnation } = broker
  const { nameHash, incarnationHash } = incarnation
  // The payloads, where a pattern is looked for, reach less far back than the index, by which a subject is.
  const memory = () => ({ tail: 3, indexTail: 1, generationAt: () => 0, nextLost: () => undefined })
  const reading = () => ({ sinceMs: 0, from: 0 })
  const gateway: GatewayKnowledge = { reading, head: () => 4, memory, maxBytesPerSession: 0 }
  const read = { heads: new Map([[placeOf(0, 0), 4]]), epochs: new Map([[placeOf(0, 0), 0]]) }
  const wish = (subject: string, last: number | undefined): Asked => {
    return { subject, isLatest: false, last, presented: [], atMs: 10, ...read }
  }
  const fault = (asked: readonly Asked[], to = 2, reason: 'budget' | 'retention' = 'budget') => {
    const after = encodeToken([{ nameHash, incarnationHash, partition: 0, offset: 1, generation: 0 }])
    const gap = { kind: 'gap', stream, partition: 0, from: 0, to, reason, certain: false, after } as const
    return gapFault(new Truth(broker), { gap, incarnation, asked, isOfOne: false, gateway, nowMs: 20 })
  }
  const both = [wish('>', 3), wish('a', 3)]
  const goesOnInside = 'it goes on at 1'
  assert.equal(fault(both), undefined)
  for (const one of both) assert.equal(fault([one]), goesOnInside, `${one.subject} alone`)
  assert.equal(fault([wish('>', undefined), wish('a', undefined)]), goesOnInside, 'nobody asks for last events')
  assert.ok(fault(both, 3), 'all of them had looked that far')
  log.retain(3, 15)
  assert.equal(fault(both, 2, 'retention'), goesOnInside, 'retention is the same for all')
})
