import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { ByteQuota } from '../simulation/wire/kafka-quota.ts'
import { Brokers } from './kafka-brokers.ts'

const kilobytes = (count: number) => 'x'.repeat(count * 1000)

test('a tail at the head of a quiet log notices that the log was cut below it and then grew beyond it', async () => {
  const brokers = new Brokers()
  brokers.write('a', 'b', 'c')
  brokers.tail(3)
  await brokers.passes(2000)
  brokers.log.rewrite(1, brokers.time.nowMs)
  brokers.write('x', 'y', 'z')
  await brokers.passes(10_000)
  assert.deepEqual(brokers.told, ['rewritten 1-2', 'x@1', 'y@2', 'z@3'])
})

test('a tail reports the end again after reading again up to the same position', async () => {
  const brokers = new Brokers()
  brokers.write('a', 'b', 'c')
  brokers.tail(0)
  await brokers.passes(2000)
  brokers.log.rewrite(1, brokers.time.nowMs)
  brokers.write('x', 'y')
  await brokers.passes(10_000)
  assert.deepEqual(brokers.told.slice(3), ['rewritten 1-2', 'x@1', 'y@2'])
  assert.deepEqual(brokers.through, { next: 3, told: brokers.told.length })
})

test('a tail notices a cut between the request for the head and the first fetch', async () => {
  const brokers = new Brokers()
  brokers.write('a', 'b', 'c')
  const { head } = await brokers.done(brokers.source.offsets(brokers.info, 0))
  brokers.log.rewrite(1, brokers.time.nowMs)
  brokers.write('x', 'y', 'z')
  brokers.cluster.look()
  for (const node of brokers.cluster.nodes) brokers.cluster.hear(node)
  brokers.tail(head)
  await brokers.passes(10_000)
  assert.deepEqual(brokers.told, ['rewritten 1-2', 'x@1', 'y@2', 'z@3'])
})

test('a tail that has skipped damage, or records that retention removed, still notices a cut below it', async () => {
  const brokers = new Brokers()
  brokers.write('a', 'b', '!')
  brokers.tail(0)
  await brokers.passes(2000)
  brokers.log.rewrite(1, brokers.time.nowMs)
  brokers.write('x', 'y', 'z')
  await brokers.passes(10_000)
  assert.deepEqual(brokers.told, ['a@0', 'b@1', 'corrupt 2-2', 'rewritten 1-2', 'x@1', 'y@2', 'z@3'])
  const late = new Brokers()
  late.write('a', 'b', 'c', 'd')
  late.log.retain(4, 0)
  late.tail(0)
  await late.passes(2000)
  late.log.first = 3
  late.log.rewrite(3, late.time.nowMs)
  late.write('x', 'y')
  await late.passes(10_000)
  assert.deepEqual(late.told, ['retention 0-3', 'rewritten 0-3', 'retention 0-2', 'x@3', 'y@4'])
})

test('records of a new log that retention removes before they are read are reported, whether or not the start of the log was seen', async () => {
  for (const isSeen of [true, false]) {
    const brokers = new Brokers()
    brokers.tail(0)
    await brokers.passes(2000)
    brokers.broker.delete()
    brokers.broker.create(1)
    if (isSeen) await brokers.passes(10_000)
    const { leader } = brokers
    leader.state = 'frozen'
    brokers.write('a', 'b', 'c')
    brokers.log.retain(2, brokers.time.nowMs)
    brokers.cluster.revive(leader)
    await brokers.passes(10_000)
    assert.deepEqual(brokers.told, ['recreated', 'retention 0-1', 'c@2'])
  }
})

test('a tail that an outdated broker moved back to the previous topic returns to the current one, with or without the broker', async () => {
  for (const hears of [true, false]) {
    const brokers = new Brokers()
    const [behind] = brokers.cluster.nodes
    behind!.deaf = true
    brokers.broker.delete()
    brokers.broker.create(1)
    brokers.write('x')
    await brokers.passes(1000)
    brokers.tail(0)
    await brokers.passes(5000)
    assert.deepEqual(brokers.told, ['recreated'])
    if (hears) brokers.cluster.hear(behind!)
    else behind!.state = 'down'
    brokers.cluster.publish()
    brokers.cluster.breakConnections(behind!)
    await brokers.passes(20_000)
    assert.deepEqual(brokers.told, ['recreated', 'recreated', 'x@0'])
  }
})

test('an outdated broker does not move a tail back, however often it is asked', async () => {
  const brokers = new Brokers()
  brokers.tail(0)
  await brokers.passes(2000)
  const [behind, ...others] = brokers.cluster.nodes
  behind!.deaf = true
  brokers.broker.delete()
  brokers.broker.create(1)
  await brokers.passes(5000)
  for (const node of others) node.state = 'frozen'
  brokers.cluster.breakConnections(others[0]!)
  brokers.cluster.breakConnections(others[1]!)
  await brokers.passes(60_000)
  for (const node of others) brokers.cluster.revive(node)
  brokers.write('x')
  await brokers.passes(20_000)
  assert.deepEqual(brokers.told, ['recreated', 'x@0'])
})

test('offsets that are not written yet are not damaged, whatever error the leader reports at its end', async () => {
  const brokers = new Brokers()
  brokers.write('a', 'b')
  brokers.tail(0)
  await brokers.passes(2000)
  brokers.leader.failing = { partition: 0, error: 2, untilMs: brokers.time.nowMs + 20_000 }
  await brokers.passes(30_000)
  brokers.write('c')
  await brokers.passes(5000)
  assert.deepEqual(brokers.told, ['a@0', 'b@1', 'c@2'])
})

test('if retention removed the point of divergence, a tail goes back to the beginning: the logs may diverge anywhere', async () => {
  for (const from of [0, 3, 4]) {
    const brokers = new Brokers()
    brokers.write('a', 'b', 'c', 'd')
    brokers.tail(from)
    await brokers.passes(2000)
    brokers.told.length = 0
    brokers.log.rewrite(1, brokers.time.nowMs)
    brokers.write('x', 'y', 'z')
    brokers.log.retain(3, brokers.time.nowMs)
    await brokers.passes(10_000)
    assert.deepEqual(brokers.told, ['rewritten 0-3', 'retention 0-2', 'z@3'])
  }
})

test('the head is the start of the oldest open transaction, however far the log extends', async () => {
  const brokers = new Brokers()
  brokers.write('a')
  brokers.begin(1, 'hidden')
  brokers.write('b')
  brokers.tail(0)
  await brokers.passes(2000)
  assert.deepEqual([brokers.told, brokers.bounds?.head], [['a@0'], 1])
  brokers.log.finish(1, false, brokers.time.nowMs)
  await brokers.passes(2000)
  assert.deepEqual([brokers.told, brokers.bounds], [['a@0', 'b@2'], { first: 0, head: 4 }])
})

test('a tail reports how much an open transaction holds back and since when, and logs one that lasts', async () => {
  const brokers = new Brokers()
  const nowMs = () => brokers.broker.process.nowUs() / 1000
  brokers.write('a')
  brokers.tail(0)
  await brokers.passes(2000)
  const beganMs = nowMs()
  brokers.begin(1, 'hidden')
  brokers.write('b')
  await brokers.passes(5000)
  const first = brokers.bounds!.blocked!
  assert.equal(first.offsets, 2)
  assert.ok(first.sinceMs >= beganMs && first.sinceMs < beganMs + 2500, `${first.sinceMs - beganMs} ms`)
  brokers.write('c')
  await brokers.passes(5000)
  assert.deepEqual(brokers.bounds, { first: 0, head: 1, blocked: { offsets: 3, sinceMs: first.sinceMs } })
  assert.deepEqual(brokers.logged, [])
  await brokers.passes(30_000)
  const said =
    /^topic \S+, partition 0: an open transaction has held back 3 offsets after 1 for 1\d(\.\d)? seconds; to see whether it hangs, run kafka-transactions\.sh .* find-hanging --topic/
  assert.equal(brokers.logged.length, 1)
  assert.match(brokers.logged[0]!, said)
  brokers.log.finish(1, true, brokers.time.nowMs)
  brokers.begin(2, 'next')
  await brokers.passes(5000)
  const { head, blocked } = brokers.bounds!
  assert.deepEqual([head, blocked!.offsets], [5, 1])
  assert.ok(blocked!.sinceMs > first.sinceMs + 30_000, 'another transaction has an age of its own')
})

test('a clean change of leaders is not a rewrite for a tail that has read nothing yet', async () => {
  const brokers = new Brokers()
  brokers.write('a', 'b', 'c')
  brokers.tail(3)
  for (let i = 0; i < 3; i++) {
    await brokers.passes(2000)
    brokers.cluster.move(0)
  }
  await brokers.passes(5000)
  brokers.write('d')
  await brokers.passes(5000)
  assert.deepEqual(brokers.told, ['d@3'])
})

test('a chunk of damaged batches returns the bounds of the log, even if the broker refuses to read them', async () => {
  const brokers = new Brokers()
  const count = 12
  for (let i = 0; i < count; i++) brokers.write(`!${i}`)
  for (let from = 0; from < count; from++) {
    const chunk = { partition: 0, from, to: from + 1, maxBytes: 1 << 20 }
    const { next, offsets } = await brokers.done(brokers.source.range(brokers.info, chunk, { record() {}, lost() {} }))
    assert.deepEqual({ next, offsets }, { next: from + 1, offsets: { first: 0, head: count } })
  }
})

test('a chunk is read although the broker throttles fetches for a while, and each pause is kept', async () => {
  const brokers = new Brokers()
  brokers.write('a', 'b')
  assert.deepEqual(await brokers.done(brokers.range(0, 2)), ['a', 'b'])
  const { leader } = brokers
  let fetches = 0
  const { handle } = leader
  leader.handle = (key, body, reply) => {
    if (key === 1) fetches++
    return handle.call(leader, key, body, reply)
  }
  leader.throttleMs = 2500
  leader.throttledUntilMs = brokers.time.nowMs + 6000
  assert.deepEqual(await brokers.done(brokers.range(0, 2)), ['a', 'b'])
  assert.ok(fetches <= 4, `${fetches} fetches`)
})

test('under a quota, chunks adapt their size to the pauses, and the whole log arrives about as fast as the quota allows', async () => {
  const brokers = new Brokers()
  for (let i = 0; i < 400; i++) brokers.write(kilobytes(3))
  for (const node of brokers.cluster.nodes) node.quota = new ByteQuota(30_000)
  const { nowMs } = brokers.time
  let next = 0
  while (next < 400) ({ next } = await brokers.done(brokers.chunk(next, 400), 70_000))
  const seconds = (brokers.time.nowMs - nowMs) / 1000
  // The window of the quota allows the first 300 KB. The other 900 KB arrive at 30 KB a second.
  assert.ok(seconds < 40, `${seconds} s`)
})

test('a tail that catches up under a quota is about as fast as the quota allows', async () => {
  const brokers = new Brokers()
  for (let i = 0; i < 400; i++) brokers.write(kilobytes(3))
  for (const node of brokers.cluster.nodes) node.quota = new ByteQuota(30_000)
  brokers.tail(0)
  await brokers.passes(40_000)
  assert.equal(brokers.told.length, 400)
})

test('on a network too slow for the requested size, read-back and tail request less', async () => {
  const brokers = new Brokers()
  for (let i = 0; i < 400; i++) brokers.write(kilobytes(3))
  for (const node of brokers.cluster.nodes) {
    const { handle } = node
    node.handle = (key, body, reply) =>
      handle.call(node, key, body, (answer) => {
        // 200 KB a second: 1 MB takes longer than the timeout of any request.
        brokers.time.add(brokers.broker.process, answer.bytes.length / 200, () => reply(answer))
      })
  }
  let next = 0
  while (next < 400) ({ next } = await brokers.done(brokers.chunk(next, 400)))
  brokers.tail(0)
  await brokers.passes(40_000)
  assert.equal(brokers.told.length, 400)
})

test('a chunk whose broker fails returns its position, and no record is delivered again', async () => {
  const brokers = new Brokers()
  for (let i = 0; i < 12; i++) brokers.write(`!${i}`)
  await brokers.done(brokers.source.offsets(brokers.info, 0))
  let fetches = 0
  const { leader } = brokers
  const { handle } = leader
  leader.handle = (key, body, reply) => {
    if (key === 1 && ++fetches > 9) leader.state = 'frozen'
    return leader.state === 'frozen' ? () => {} : handle.call(leader, key, body, reply)
  }
  const lost: number[][] = []
  const sink = { record() {}, lost: (from: number, to: number) => lost.push([from, to]) }
  const chunk = { partition: 0, from: 0, to: 12, maxBytes: 1 << 20 }
  const { next } = await brokers.done(brokers.source.range(brokers.info, chunk, sink))
  assert.ok(next > 0 && next < 12, `${next}`)
  assert.equal(lost.at(-1)![1], next - 1)
  await assert.rejects(brokers.done(brokers.source.range(brokers.info, { ...chunk, from: next }, sink)), {
    code: 'broker_unavailable',
  })
})

test('an abandoned chunk uses no quota after the pause', async () => {
  const brokers = new Brokers()
  brokers.write('a', 'b')
  await brokers.done(brokers.range(0, 2))
  const { leader } = brokers
  let fetches = 0
  const { handle } = leader
  leader.handle = (key, body, reply) => {
    if (key === 1) fetches++
    return handle.call(leader, key, body, reply)
  }
  leader.throttleMs = 2500
  leader.throttledUntilMs = brokers.time.nowMs + 2000
  const sink = { record() {}, lost() {}, full: false }
  const chunk = { partition: 0, from: 0, to: 2, maxBytes: 1 << 20 }
  const reading = brokers.source.range(brokers.info, chunk, sink)
  while (fetches === 0) await brokers.passes(10)
  sink.full = true
  assert.equal((await brokers.done(reading)).next, 0)
  assert.equal(fetches, 1)
})

test('a leader that does not answer is given up, even if it asked for a pause before', async () => {
  const brokers = new Brokers()
  for (const throttleMs of [0, 1000]) {
    const { leader } = brokers
    leader.throttlesAll = true
    leader.throttleMs = throttleMs
    leader.throttledUntilMs = brokers.time.nowMs + 100
    await brokers.done(brokers.source.offsets(brokers.info, 0))
    leader.state = 'frozen'
    await assert.rejects(brokers.done(brokers.source.offsets(brokers.info, 0)), { code: 'broker_unavailable' })
    brokers.cluster.revive(leader)
    await brokers.done(brokers.source.offsets(brokers.info, 0))
  }
})

test('the pause in any answer is kept, is counted by use, and is not a failure', async () => {
  const brokers = new Brokers()
  brokers.write('a', 'b')
  brokers.tail(0)
  await brokers.passes(2000)
  for (const node of brokers.cluster.nodes) {
    node.throttlesAll = true
    node.throttleMs = 2500
    node.throttledUntilMs = brokers.time.nowMs + 8000
  }
  const asked = [
    brokers.source.describe(brokers.info.name),
    brokers.source.offsets(brokers.info, 0),
    brokers.source.offsetAt(brokers.info, 0, 0),
    brokers.range(0, 2),
  ]
  brokers.write('c')
  const [, offsets, first, shown] = await Promise.all(asked.map((each) => brokers.done<unknown>(each)))
  assert.deepEqual([offsets, first, shown], [{ first: 0, head: 3 }, 0, ['a', 'b']])
  await brokers.passes(10_000)
  assert.deepEqual([brokers.told, brokers.states], [['a@0', 'b@1', 'c@2'], ['up']])
  const { live, readback, questions } = brokers.paused
  for (const ms of [live, readback, questions]) assert.ok(ms >= 2500 && ms % 2500 === 0, `${ms} ms`)
})

test('reads that share a connection wait together, even if one of them receives the next pause', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const brokers = new Brokers(1, seededRandom(seed))
    brokers.write('a', 'b')
    await brokers.done(brokers.range(0, 2))
    const { leader } = brokers
    leader.throttleMs = 2500
    leader.throttledUntilMs = brokers.time.nowMs + 6000
    const reads = [brokers.range(0, 2), brokers.range(0, 2)]
    await brokers.passes(700)
    reads.push(brokers.range(0, 2), brokers.range(0, 2))
    for (const read of reads) assert.deepEqual(await brokers.done(read), ['a', 'b'])
  }
})

test('a caller that waits less than the pause gets an error about the quota, and the connection stays open', async () => {
  const brokers = new Brokers()
  await brokers.done(brokers.source.offsets(brokers.info, 0))
  for (const node of brokers.cluster.nodes) {
    node.throttlesAll = true
    node.throttleMs = 50_000
    node.throttledUntilMs = brokers.time.nowMs + 1000
  }
  const refused = {
    code: 'broker_unavailable',
    message: /holds client id "carillon" back for another \d+ s: its quota is used up/,
  }
  await assert.rejects(brokers.done(brokers.source.offsets(brokers.info, 0)), refused)
  const { connections } = brokers
  await assert.rejects(brokers.done(brokers.source.offsets(brokers.info, 0)), refused)
  assert.equal(brokers.connections, connections)
  await brokers.passes(50_000)
  assert.deepEqual(await brokers.done(brokers.source.offsets(brokers.info, 0)), { first: 0, head: 0 })
})

test('a broker that asks for a pause of days is asked on a new connection after a minute', async () => {
  const brokers = new Brokers()
  brokers.write('a')
  for (const node of brokers.cluster.nodes) {
    node.throttleMs = 2 ** 31 - 1
    node.throttledUntilMs = brokers.time.nowMs + 5000
  }
  const refused = {
    code: 'broker_unavailable',
    message: /"carillon-readback" back for another \d+ s: its quota is used up/,
  }
  await assert.rejects(brokers.done(brokers.range(0, 1), 62_000), refused)
  assert.equal(brokers.paused.readback, 60_000, 'only the time that is waited counts, and is reported to operators')
  assert.deepEqual(await brokers.done(brokers.range(0, 1)), ['a'])
})

test('a source that is closed while a broker pauses it does not wait for the end of the pause', async () => {
  const brokers = new Brokers()
  for (const node of brokers.cluster.nodes) {
    node.throttleMs = 30_000
    node.throttledUntilMs = brokers.time.nowMs + 5000
  }
  brokers.write('a')
  brokers.tail(0)
  await brokers.passes(2000)
  await brokers.done(brokers.opened!.close(), 100)
})

test('a chunk comes from the newest leader that a tail has learned of, although a former one still answers', async () => {
  const brokers = new Brokers()
  brokers.write('a', 'b', 'c')
  brokers.tail(3)
  assert.deepEqual(await brokers.done(brokers.range(0, 3)), ['a', 'b', 'c'])
  const { leader } = brokers
  leader.deaf = true
  brokers.log.rewrite(1, brokers.time.nowMs)
  brokers.cluster.look()
  brokers.write('x', 'y')
  while (brokers.leader === leader) brokers.cluster.move(0)
  await brokers.passes(10_000)
  assert.equal(leader.deaf, true)
  assert.deepEqual(brokers.told, ['rewritten 1-2', 'x@1', 'y@2'])
  assert.deepEqual(await brokers.done(brokers.range(0, 3)), ['a', 'x', 'y'])
})

test('a time is the offset of the first record that is not older, or the head if there is none', async () => {
  const brokers = new Brokers()
  const at = (timeMs: number) => brokers.done(brokers.source.offsetAt(brokers.info, 0, Math.ceil(timeMs)))
  const nowMs = () => brokers.broker.process.nowUs() / 1000
  const beganMs = nowMs()
  brokers.write('a', 'b')
  await brokers.passes(1000)
  const laterMs = nowMs()
  brokers.write('c')
  await brokers.passes(1000)
  const offsets = [await at(beganMs - 1000), await at(laterMs - 500), await at(laterMs), await at(nowMs() + 1000)]
  assert.deepEqual(offsets, [0, 2, 2, 3])
})

test('if only an address from the metadata does not answer, the error includes the likely cause', async () => {
  const brokers = new Brokers()
  const ask = () => brokers.done(brokers.source.offsets(brokers.info, 0))
  const problem = async () => {
    try {
      await ask()
      return 'none'
    } catch (error) {
      return (error as Error).message
    }
  }
  const [named, , told] = brokers.cluster.nodes
  brokers.cluster.move(0, told!.id)
  await brokers.passes(1000)
  told!.state = 'down'
  const hint = /ECONNREFUSED; the cluster advertises this address \(advertised\.listeners\): /
  assert.match(await problem(), hint)
  brokers.cluster.revive(told!)
  await ask()
  // An address that was reached once is reachable.
  told!.state = 'down'
  brokers.cluster.breakConnections(told!)
  const plain = /ECONNREFUSED$/
  assert.match(await problem(), plain)
  brokers.cluster.revive(told!)
  brokers.cluster.move(0, named!.id)
  await brokers.passes(1000)
  named!.state = 'down'
  brokers.cluster.breakConnections(named!)
  assert.match(await problem(), plain)
})
