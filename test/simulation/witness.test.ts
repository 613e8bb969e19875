import assert from 'node:assert/strict'
import test from 'node:test'
import { ReceivedEvent } from '../../src/client/received.ts'
import type { Generations } from '../../src/log/record.ts'
import { makeEvent } from '../../src/wire/frames.ts'
import { decodeToken, encodeToken, growthPosition, type Position } from '../../src/wire/token.ts'
import { SimBroker } from './broker.ts'
import { Truth } from './truth.ts'
import { Verdict } from './verdict.ts'
import { VirtualTime } from './virtual-time.ts'
import { type GatewayKnowledge, Witness } from './witness.ts'

/** Of a log of three partitions that was created again with two: nothing takes the place of a position in the third. */
const watched = (...after: string[]) => watchedBy('ranges', ...after)

function watchedBy(generations: Generations, ...after: string[]) {
  const broker = new SimBroker(new VirtualTime(), 3, generations)
  broker.delete()
  broker.create(2)
  let nowMs = 0
  const verdict = new Verdict(
    () => nowMs,
    () => {},
    {},
  )
  const truth = new Truth(broker)
  const witness = new Witness('client', { subject: 'a.>', after }, truth, { verdict, nowMs: () => nowMs })
  const at = (incarnation: 0 | 1, partition: number, offset: number, generation = 0): Position => {
    const { nameHash, incarnationHash } = broker.incarnations[incarnation]!
    return { nameHash, incarnationHash, partition, offset, generation }
  }
  const write = (partition: number, subject = 'a.2') => {
    const event = makeEvent({ subject })
    const record = { key: null, value: null, event, timeMs: nowMs, damaged: false, transaction: undefined }
    const written = broker.log(partition).append(record, nowMs)
    truth.add(written)
    return written
  }
  const older = [at(0, 0, 0), at(0, 1, 0), at(0, 2, 0)]
  const newer = [at(1, 0, 0), at(1, 1, 0)]
  return {
    witness,
    log: broker.log(1),
    at,
    write,
    older,
    newer,
    asks: (...positions: Position[]) => witness.asks([encodeToken(positions)], true, true),
    isTold: (partition: number) => {
      const after = encodeToken([at(1, partition, 0)])
      const gap = { kind: 'gap', stream: 'events', partition, from: 0, reason: 'recreated', certain: false } as const
      witness.told({ ...gap, after })
      witness.gap({ ...gap, after, to: undefined, n: undefined })
    },
    passes: (ms: number) => {
      nowMs += ms
    },
    get broken() {
      return verdict.failure?.promise
    },
  }
}

test('in a request that names two logs, the position of who stands in its log covers what it was not given', () => {
  const told = watched()
  told.witness.begins(told.older)
  told.isTold(0)
  told.isTold(1)
  const begun = watched()
  begun.witness.begins(begun.newer)
  for (const client of [told, begun]) {
    client.write(1)
    client.asks(client.at(0, 2, 0), client.at(1, 0, 0), client.at(1, 1, 1))
    assert.equal(client.broken, 'covered')
  }
})

test('in a request that names two logs, a position is not that of who was not told of its log', () => {
  const other = watched()
  other.witness.begins(other.older)
  const restarted = watched()
  restarted.witness.begins(restarted.older)
  restarted.isTold(1)
  restarted.witness.restarts(encodeToken(restarted.older.slice(2)))
  for (const client of [other, restarted]) {
    client.write(1)
    const asked = [...client.older, client.at(1, 0, 0), client.at(1, 1, 1)]
    client.asks(...asked)
    assert.equal(client.broken, undefined)
    client.isTold(1)
    client.asks(...asked)
    assert.equal(client.broken, 'covered')
  }
})

test('in a request that names two logs, a gap inside of one is told to who stands there, and not to who stands in the other', () => {
  const inside = (client: ReturnType<typeof watched>) => {
    client.write(1)
    client.write(1)
    client.asks(...client.older, client.at(1, 1, 1))
    const positions = [client.at(1, 1, 2)]
    const gap = {
      kind: 'gap',
      stream: 'events',
      partition: 1,
      from: 1,
      to: 1,
      n: 1,
      reason: 'ttl',
      certain: true,
    } as const
    const told = client.witness.told({ ...gap, after: encodeToken(positions) })
    client.witness.claimed(positions, 'is told by a gap to stand at')
    return told !== undefined
  }
  const other = watched()
  other.witness.begins(other.older)
  assert.deepEqual([inside(other), other.broken], [false, undefined])
  other.isTold(1)
  other.witness.claimed([other.at(1, 1, 2)], 'is told to stand at')
  assert.equal(other.broken, 'covered', 'it stands there from then on')
  const there = watched()
  there.witness.begins(there.older)
  there.isTold(1)
  assert.deepEqual([inside(there), there.broken], [true, 'covered'])
})

test('a gap at which its connection was left has moved nothing: it stands in the log that its next request names', () => {
  const gap = { kind: 'gap', stream: 'events', partition: 1, from: 0, certain: true } as const
  for (const times of [1, 2]) {
    const leaves = () => {
      const client = watched()
      client.witness.begins(client.older)
      client.isTold(1)
      const after = encodeToken([client.at(0, 1, 0)])
      for (let i = 0; i < times; i++) client.witness.told({ ...gap, reason: 'recreated', after })
      client.write(1)
      return client
    }
    const isGiven = ({ witness, at }: ReturnType<typeof watched>) =>
      witness.told({ ...gap, to: 0, reason: 'budget', after: encodeToken([at(1, 1, 1)]) }) !== undefined
    const left = leaves()
    const without = leaves()
    const took = leaves()
    for (const client of [left, without]) client.asks(client.at(0, 2, 0), client.at(1, 1, 0))
    took.asks(...took.older, took.at(1, 1, 0))
    assert.deepEqual([isGiven(left), isGiven(took)], [true, false], `it came ${times} times`)
    for (const { witness, at } of [left, without, took]) witness.claimed([at(1, 1, 1)], 'is told to stand at')
    const broken = [left.broken, without.broken, took.broken]
    assert.deepEqual(broken, [undefined, 'covered', undefined], `it came ${times} times`)
  }
})

test('of several gaps at which its connection was left none has moved it, once it asks from its log alone', () => {
  for (const [asksAlone, broken] of [
    [true, undefined],
    [false, 'covered'],
  ] as const) {
    const client = watched()
    client.witness.begins(client.older.slice(0, 1))
    const gap = { kind: 'gap', stream: 'events', from: 0, reason: 'recreated', certain: false } as const
    for (const partition of [1, 0]) {
      client.witness.told({ ...gap, partition, after: encodeToken([client.at(1, partition, 0)]) })
    }
    client.write(1)
    if (asksAlone) client.asks(client.at(0, 0, 0))
    client.asks(client.at(0, 0, 0), client.at(1, 1, 1))
    assert.equal(client.broken, broken, `it asks from its log alone before: ${asksAlone}`)
  }
})

test('where a request names two logs, who stood beyond a rewrite may not hear of it, and who stood at it has what follows', () => {
  for (const [stood, broken] of [
    [5, undefined],
    [4, 'covered'],
  ] as const) {
    const client = watched()
    client.witness.begins(client.older)
    client.isTold(0)
    client.isTold(1)
    client.log.skip(5, 1)
    client.asks(client.at(0, 2, 0), client.at(1, 0, 0), client.at(1, 1, stood))
    client.passes(10)
    client.log.rewrite(4, 10)
    client.write(1)
    client.witness.stands(encodeToken([client.at(1, 1, 5, 1)]))
    assert.equal(client.broken, broken, `it stood at ${stood}`)
  }
})

test('who stood in a partition that its subject left is carried on there, and may not hear of a rewrite below where it was carried to', () => {
  for (const [stood, carried, broken] of [
    ['there', 5, undefined],
    ['there', 4, 'covered'],
    ['never there', 5, 'covered'],
    ['there, and in the older log since', 5, 'covered'],
  ] as const) {
    const client = watched()
    client.witness.begins(client.newer)
    client.log.skip(5, 1)
    client.asks(client.at(1, 0, 0), ...(stood === 'never there' ? [] : [client.at(1, 1, 3)]))
    if (stood === 'there, and in the older log since') {
      const gap = { kind: 'gap', stream: 'events', partition: 1, from: 0, reason: 'recreated', certain: false } as const
      client.witness.told({ ...gap, after: encodeToken([client.at(0, 1, 0)]) })
    }
    const ofOnePartition = growthPosition(client.at(1, 0, 0), 1)
    client.witness.claimed([client.at(1, 0, 0), client.at(1, 1, carried), ofOnePartition], 'is told to stand at')
    client.passes(10)
    client.log.rewrite(4, 10)
    client.write(1)
    client.witness.stands(encodeToken([client.at(1, 1, 5, 1)]))
    assert.equal(client.broken, broken, `it stood ${stood}, and was carried to ${carried}`)
  }
})

test('a gap that is handed over without its token tells nothing', () => {
  const told = watched()
  told.witness.begins(told.newer)
  const gap = { kind: 'gap', stream: 'events', partition: 1, from: 0, reason: 'repartitioned', certain: false } as const
  told.witness.gap({ ...gap, after: encodeToken([told.at(1, 1, 0)]), to: undefined, n: undefined })
  assert.equal(told.broken, undefined)
  told.witness.gap({ ...gap, after: '', to: undefined, n: undefined })
  assert.equal(told.broken, 'true gap')
})

test('who stood beyond a rewrite by its first position may not hear of it, and who has begun anew since has what follows', () => {
  for (const [beginsAnew, broken] of [
    [false, undefined],
    [true, 'covered'],
  ] as const) {
    const client = watched('earliest')
    const first = [client.at(1, 0, 0), client.at(1, 1, 5)]
    client.log.skip(4, 1)
    client.write(1)
    client.witness.asks(['earliest'], true, false)
    client.witness.claimed(first, 'is told to stand at')
    client.witness.begins(first)
    if (beginsAnew) {
      client.witness.restarts(undefined)
      client.witness.begins(client.newer)
    }
    client.passes(10)
    client.log.rewrite(4, 10)
    client.write(1)
    client.asks(...client.newer)
    client.witness.stands(encodeToken([client.at(1, 1, 5, 1)]))
    assert.equal(client.broken, broken, `it begins anew: ${beginsAnew}`)
  }
})

/** It reads the log from there on, up to its head. */
const reads = (sinceMs: number, from: number, head: number): GatewayKnowledge => ({
  reading: () => ({ sinceMs, from }),
  head: () => head,
})

test('a position without a generation excuses a rewrite below it only where its gateway had not read the record right below', () => {
  for (const [from, isExcused] of [
    [3, true],
    [2, false],
  ] as const) {
    const { witness, log, write, newer, at, passes } = watched()
    const gateway = reads(0, from, 3)
    const named = at(1, 1, 3, -1)
    witness.begins(newer)
    for (let i = 0; i < 3; i++) write(1, 'b')
    witness.claimed([named], 'is subscribed at', gateway)
    passes(10)
    log.rewrite(1, 10)
    write(1)
    witness.asks([encodeToken([named])], false, false)
    witness.reached(reads(0, 0, 3))
    assert.equal(witness.missing() === undefined, isExcused, `its gateway reads from ${from} on`)
  }
})

test('a position without a generation excuses no rewrite that its subscription was told of before', () => {
  for (const wasTold of [false, true]) {
    const { witness, log, write, newer, at } = watched()
    const named = at(1, 1, 3, -1)
    witness.begins(newer)
    log.skip(1, 0)
    log.rewrite(1, 0)
    write(1, 'b')
    write(1)
    if (wasTold) witness.claimed([at(1, 1, 2, 1)], 'is told by a gap to stand at', reads(0, 0, 2))
    witness.claimed([named], 'is subscribed at', reads(0, 3, 3))
    witness.asks([encodeToken([named])], false, false)
    witness.reached(reads(0, 0, 3))
    assert.equal(witness.missing() === undefined, !wasTold, `it was told: ${wasTold}`)
  }
})

test('a position without a generation excuses a rewrite that its gateway had not heard of, where it had read that far and no record', () => {
  /** Before the log was rewritten from its beginning on, how many records it had, and then how many offsets without. */
  for (const { generations = 'ranges', records = 0, holes = 3, first = 0, sinceMs = 0, from = 0, isExcused } of [
    { isExcused: true },
    { sinceMs: 10, isExcused: false },
    { holes: 2, isExcused: false },
    { records: 1, holes: 2, isExcused: false },
    { records: 1, holes: 2, from: 1, isExcused: true },
    { records: 1, holes: 2, first: 1, isExcused: true },
    { records: 1, holes: 2, generations: 'times', isExcused: true },
    { records: 3, holes: 0, generations: 'times', isExcused: false },
  ] as const) {
    const { witness, log, write, newer, at, passes } = watchedBy(generations)
    witness.begins(newer)
    for (let i = 0; i < records; i++) write(1, 'b')
    log.skip(holes, 0)
    log.retain(first, 0)
    passes(10)
    log.rewrite(0, 10)
    write(1)
    while (log.end < 3) write(1, 'b')
    const gateway = reads(sinceMs, from, 3)
    witness.claimed([at(1, 1, 3, -1)], 'is told to stand at', gateway)
    witness.presents([at(1, 1, 3, -1)])
    witness.reached(gateway)
    const was = `${records} records, ${holes} offsets, ${generations}, from ${first} on, read since ${sinceMs} ms from ${from} on`
    assert.equal(witness.missing() === undefined, isExcused, was)
  }
})

test('a gateway has read a record below where it began where an earlier rewrite led it back there', () => {
  for (const back of [1, 2]) {
    const { witness, log, write, newer, at, passes } = watched()
    witness.begins(newer)
    log.skip(2, 0)
    passes(10)
    log.rewrite(back, 10)
    if (back < 2) write(1, 'b')
    log.skip(4 - log.end, 10)
    log.rewrite(0, 10)
    write(1)
    for (let i = 0; i < 3; i++) write(1, 'b')
    const gateway = reads(0, 2, 4)
    witness.claimed([at(1, 1, 4, -1)], 'is told to stand at', gateway)
    witness.presents([at(1, 1, 4, -1)])
    witness.reached(gateway)
    assert.equal(witness.missing() === undefined, back === 2, `it went back to ${back}`)
  }
})

test('of a rewrite before its start a gateway does not know what lies below the place where it began, and all that follows', () => {
  for (const [from, isExcused] of [
    [2, true],
    [1, false],
  ] as const) {
    const { witness, log, write, newer, at, passes } = watched()
    witness.begins(newer)
    log.skip(9, 0)
    log.rewrite(1, 0)
    write(1)
    passes(10)
    witness.asks([encodeToken([at(1, 1, 9, 0)])], false, false)
    witness.reached(reads(10, from, 2))
    assert.equal(witness.missing() === undefined, isExcused, `it reads from ${from} on`)
  }
})

test('a program that goes on with a stored position stands in its log, whatever logs it had heard of', () => {
  for (const [stored, isOwed] of [
    [0, false],
    [1, true],
  ] as const) {
    const broker = new SimBroker(new VirtualTime(), 1, 'ranges')
    const truth = new Truth(broker)
    const nowMs = () => 0
    const verdict = new Verdict(nowMs, () => {}, {})
    const tokenIn = (incarnation: number) => {
      const { nameHash, incarnationHash } = broker.incarnations[incarnation]!
      return encodeToken([{ nameHash, incarnationHash, partition: 0, offset: 0, generation: 0 }])
    }
    const witness = new Witness('client', { subject: 'a' }, truth, { verdict, nowMs })
    const isTold = (from: number) => {
      const after = tokenIn(broker.current.index)
      const gap = { kind: 'gap', stream: 'events', partition: 0, from, reason: 'recreated', certain: false } as const
      witness.gap({ ...gap, after, to: undefined, n: undefined })
    }
    witness.begins(decodeToken(tokenIn(0)))
    broker.delete()
    broker.create(1)
    const event = makeEvent({ subject: 'a' })
    broker.log(0).append({ key: null, value: null, event, timeMs: 0, damaged: false, transaction: undefined }, 0)
    isTold(0)
    witness.restarts(tokenIn(stored))
    broker.delete()
    broker.create(1)
    // Behind what was given in the log where it stood: of the log between two that it knew nothing is told.
    isTold(1)
    assert.equal(witness.missing() !== undefined, isOwed, `the position is of log ${stored}`)
  }
})

test('an event of a log that was made anew comes behind a gap that leads there', () => {
  for (const [story, broken] of [
    ['told of it', undefined],
    ['told of nothing', 'told first'],
    ['told before its program began again in the older log', 'told first'],
    ['told, and it began again in the new log', undefined],
    ['begun there', undefined],
    ['not begun', undefined],
  ] as const) {
    const client = watched()
    const { witness, older, newer } = client
    if (story !== 'not begun') witness.begins(story === 'begun there' ? newer : older)
    if (story.startsWith('told') && story !== 'told of nothing') client.isTold(0)
    if (story === 'told before its program began again in the older log') witness.restarts(encodeToken(older))
    if (story === 'told, and it began again in the new log') witness.restarts(encodeToken(newer))
    const { event, partition, offset } = client.write(1)
    const given = { kind: 'delivery', after: '', stream: 'events', partition, offset, event: event! } as const
    witness.event(new ReceivedEvent(given))
    assert.equal(client.broken, broken, story)
  }
})
