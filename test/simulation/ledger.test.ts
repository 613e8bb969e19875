import assert from 'node:assert/strict'
import test from 'node:test'
import { makeEvent } from '../../src/wire/frames.ts'
import { SimBroker } from './broker.ts'
import { placeOf, Stood, type Subscriber } from './excuses.ts'
import { Ledger } from './ledger.ts'
import { Truth } from './truth.ts'
import { VirtualTime } from './virtual-time.ts'

/** One subscription to `a` in a log of one partition, which began at the log's beginning. */
function subscribed(shared: boolean) {
  const broker = new SimBroker(new VirtualTime(), 1, 'ranges')
  const stood = new Stood()
  const beginning = { starts: new Map([[placeOf(0, 0), 0]]), ms: 0, incarnation: 0 }
  const subscriber: Subscriber = {
    subject: 'a',
    together: shared,
    shared,
    beginning,
    unjudged: [],
    blind: [],
    stood,
  }
  const ledger = new Ledger(subscriber, new Truth(broker), () => 1000)
  const log = broker.log(0)
  const write = (atMs: number, damaged = false) => {
    const event = damaged ? undefined : makeEvent({ subject: 'a' })
    const record = { key: null, value: null, event, timeMs: atMs, damaged, transaction: undefined }
    return log.append(record, atMs)
  }
  const stands = (offset: number, epoch: number, atMs: number) => stood.reached(placeOf(0, 0), { offset, epoch, atMs })
  return { ledger, broker, log, write, stands }
}

const repartitioned = {
  incarnation: 0,
  before: 0,
  partition: 0,
  to: Number.POSITIVE_INFINITY,
  reason: 'repartitioned',
} as const

test('a gap that says where a moved subject goes on excuses what was there below it, and nothing that is written later', () => {
  const { ledger, write } = subscribed(false)
  write(5)
  ledger.gap({ ...repartitioned, from: 10, next: 10, atMs: 20 })
  assert.equal(ledger.missing(), undefined)
  const later = write(30)
  assert.equal(ledger.missing(), later)
})

test('of subscriptions that share a position, who was told of the older history further on may not hear of the newer one', () => {
  const { ledger, log, write, stands } = subscribed(true)
  log.skip(10, 1)
  log.rewrite(4, 20)
  const newer = write(30)
  stands(10, 1, 40)
  assert.equal(ledger.missing(), newer, 'of the newer history it is to have everything')
  // A gateway that has not heard of the rewrite yet.
  stands(10, 0, 50)
  assert.equal(ledger.missing(), undefined)
})

test('on Kafka, retention excuses what was rewritten and gone before it, of a position of the older history only', () => {
  for (const [forgetsRewrites, epoch] of [
    [true, 0],
    [true, 1],
    [false, 0],
  ] as const) {
    const { ledger, broker, log, write, stands } = subscribed(false)
    broker.forgetsRewrites = forgetsRewrites
    log.skip(4, 1)
    stands(4, 0, 2)
    log.rewrite(0, 5)
    const newer = write(10)
    log.skip(7, 11)
    log.retain(8, 12)
    if (epoch > 0) stands(4, epoch, 13)
    const { incarnation, before, partition } = repartitioned
    ledger.gap({ incarnation, before, partition, from: 4, to: 7, next: 8, reason: 'retention', atMs: 20 })
    assert.equal(ledger.missing(), forgetsRewrites && epoch === 0 ? undefined : newer)
  }
})

test('on Kafka, nothing is told of what was rewritten and is gone where the log begins right where its reader stands', () => {
  for (const stood of [3, 4, 5]) {
    const { ledger, broker, log, write, stands } = subscribed(false)
    broker.forgetsRewrites = true
    log.skip(6, 1)
    stands(stood, 0, 2)
    log.rewrite(0, 5)
    const newer = write(10)
    log.skip(7, 11)
    log.retain(4, 12)
    assert.equal(ledger.missing(), stood === 4 ? undefined : newer)
  }
})

test('what is gone of a newer history below the place where `rewritten` goes on counts as told', () => {
  for (const next of [1, 2]) {
    const { ledger, log, write } = subscribed(false)
    log.skip(4, 1)
    log.rewrite(0, 5)
    log.skip(1, 6)
    const newer = write(10)
    log.retain(2, 12)
    const { incarnation, before, partition } = repartitioned
    ledger.gap({ incarnation, before, partition, from: 0, to: 3, next, reason: 'rewritten', atMs: 20 })
    assert.equal(ledger.missing(), next === 2 ? undefined : newer)
  }
})

test('a gap `rewritten` tells of what nobody can read below the place where it goes on, and of nothing else there', () => {
  const { incarnation, before, partition } = repartitioned
  const rewritten = { incarnation, before, partition, from: 0, to: 9, reason: 'rewritten', atMs: 20 } as const
  for (const [damaged, spoiledMs, next, isTold] of [
    [true, Number.POSITIVE_INFINITY, 1, true],
    [true, Number.POSITIVE_INFINITY, 0, false],
    [false, 15, 1, true],
    [false, 25, 1, false],
    [false, Number.POSITIVE_INFINITY, 1, false],
  ] as const) {
    const { ledger, log, write } = subscribed(false)
    log.skip(10, 1)
    log.rewrite(0, 5)
    const record = write(10, damaged)
    record.spoiledMs = spoiledMs
    ledger.gap({ ...rewritten, next })
    assert.equal(ledger.missing(), isTold ? undefined : record, `${damaged}, ${spoiledMs}, ${next}`)
  }
})

test('a program that was led back from a later log, and ends, is owed nothing of the older one again where its subject is elsewhere now', () => {
  const gaps = ['away', 'back'] as const
  for (const {
    story,
    told = gaps,
    isGiven = true,
    named = [0, 1],
    partitions = 3,
    grows = false,
    again = [],
    later = 1,
    isOwed,
  } of [
    { story: 'its subject is in another partition', isOwed: false },
    { story: 'it ends twice', again: [0, 1], isOwed: false },
    { story: 'it was given nothing', isGiven: false, isOwed: true },
    { story: 'its subject is in that partition of the later log as well', partitions: 2, isOwed: true },
    { story: 'its subject has moved on from that partition', partitions: 2, grows: true, isOwed: false },
    { story: 'its position names the older log alone', named: [0], isOwed: true },
    { story: 'the second time its position names the older log alone', again: [0], isOwed: true },
    { story: 'it was not led back', told: ['away'], isOwed: true },
    { story: 'it was told in the other partition only', told: [], isOwed: true },
    { story: 'it was led back in another partition', told: ['away', 'elsewhere'], isOwed: true },
    { story: 'it was led back to a log between', later: 2, told: ['between'], named: [0, 2], isOwed: true },
    { story: 'it was told of a gap in the older log', told: ['inside'], isOwed: true },
  ] as const) {
    const { ledger, broker, write } = subscribed(false)
    const record = write(5)
    if (isGiven) ledger.given.add(record)
    for (let i = 0; i < later; i++) {
      broker.delete()
      broker.create(partitions)
    }
    if (grows) broker.grow()
    const at = (incarnation: number) => {
      const { nameHash, incarnationHash } = broker.incarnations[incarnation]!
      return { nameHash, incarnationHash, partition: incarnation, offset: 0, generation: 0 }
    }
    const gap = { partition: 0, to: Number.POSITIVE_INFINITY, next: 0, reason: 'recreated', atMs: 20 } as const
    const ways = {
      away: { ...gap, incarnation: 1, before: 0, from: 1 },
      back: { ...gap, incarnation: 0, before: 1, from: 0 },
      elsewhere: { ...gap, partition: 1, incarnation: 0, before: 1, from: 0 },
      between: { ...gap, incarnation: 1, before: 2, from: 1 },
      inside: { ...gap, incarnation: 0, before: 0, from: 1, reason: 'retention' },
    } as const
    for (const way of told) ledger.gap(ways[way])
    for (const logs of [named, again]) if (logs.length > 0) ledger.forgetBeyond(logs.map(at))
    assert.equal(ledger.missing(), isOwed ? record : undefined, story)
  }
})
