import assert from 'node:assert/strict'
import { test } from 'node:test'
import { code } from '../../src/source/kafka/protocol-errors.ts'
import type { RangeSink } from '../../src/source/source.ts'
import type { KafkaNode } from '../simulation/wire/kafka-node.ts'
import { Brokers } from './kafka-brokers.ts'

const fetchKey = 1
const offsetsKey = 2
const metadataKey = 3

/** Calls `heard` with the API key of each request to a node. */
function listen({ cluster }: Brokers, heard: (key: number) => void): void {
  for (const node of cluster.nodes) {
    const { handle } = node
    node.handle = (key, body, reply) => {
      heard(key)
      return handle.call(node, key, body, reply)
    }
  }
}

/**
 * Makes the leader refuse this many fetches in a row, each until the bounds of the log are
 * requested.
 */
function refuse(brokers: Brokers, error: number, times: number): void {
  const { leader } = brokers
  const failing = { partition: 0, error, untilMs: Number.POSITIVE_INFINITY }
  let left = times
  leader.failing = failing
  listen(brokers, (key) => {
    if (key === offsetsKey) leader.failing = undefined
    else if (key === fetchKey && left > 0 && --left > 0) leader.failing = failing
  })
}

/** Makes one node lead all partitions. */
function gather({ cluster, broker }: Brokers): void {
  const { id } = cluster.leaderOf(0)!
  for (let partition = 1; partition < broker.partitions; partition++) cluster.move(partition, id)
}

const texts = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}`)

test('a paused partition is fetched again on time, even if another one of the same leader is quiet', async () => {
  const brokers = new Brokers(2, { next: () => 0.5 })
  gather(brokers)
  brokers.tail(0, 3)
  await brokers.passes(5000)
  brokers.writeTo(1, 'a', 'b', 'c', 'd')
  await brokers.passes(200)
  assert.deepEqual(brokers.told, ['d@3'])
})

test('partitions with a backlog take turns if an answer has no room for all of them', async () => {
  const brokers = new Brokers(3, { next: () => 0.1 }, 1)
  gather(brokers)
  for (const [partition, name] of ['a', 'b', 'c'].entries()) brokers.writeTo(partition, ...texts(name, 40))
  brokers.tail(0, 0, 0)
  await brokers.passes(20_000)
  assert.equal(brokers.told.length, 120)
  const firsts = ['a', 'b', 'c'].map((name) => brokers.told.indexOf(`${name}0@0`))
  assert.ok(Math.max(...firsts) < 40, firsts.join())
})

test('the rest of an answer is not delivered once another log has replaced its own', async () => {
  const brokers = new Brokers()
  const old = texts('old', 300)
  brokers.write(...old)
  // Each record takes time, so that the tail yields in the middle of the answer.
  brokers.onTold = () => {
    brokers.time.nowMs += 20
  }
  brokers.tail(0)
  await brokers.passes(1000)
  brokers.broker.delete()
  brokers.broker.create(1)
  brokers.write('new')
  await brokers.passes(20_000)
  const at = brokers.told.indexOf('recreated')
  assert.ok(at > 0 && at < old.length, `${at}`)
  assert.deepEqual(brokers.told.slice(at), ['recreated', 'new@0'])
})

test('a partition that failed is fetched no more often than before once it is read again', async () => {
  const brokers = new Brokers()
  brokers.tail(0)
  await brokers.passes(5000)
  brokers.leader.failing = { partition: 0, error: code.notLeader, untilMs: brokers.time.nowMs + 3000 }
  await brokers.passes(10_000)
  let fetches = 0
  listen(brokers, (key) => {
    if (key === fetchKey) fetches++
  })
  await brokers.passes(10_000)
  assert.ok(fetches > 0 && fetches <= 60, `${fetches} fetches in ten seconds`)
})

test('a partition that fails, or waits beyond the end, does not cause more fetches of the others of its leader', async () => {
  const brokers = new Brokers(2)
  gather(brokers)
  brokers.tail(0, 3)
  let fetches = 0
  listen(brokers, (key) => {
    if (key === fetchKey) fetches++
  })
  await brokers.passes(5000)
  assert.ok(fetches <= 60, `${fetches} fetches in five seconds of waiting`)
  fetches = 0
  brokers.leader.failing = { partition: 1, error: code.notLeader, untilMs: brokers.time.nowMs + 10_000 }
  await brokers.passes(10_000)
  assert.ok(fetches > 10 && fetches <= 60, `${fetches} fetches in ten seconds of failures`)
})

test('occasional reports of a log end below the position are not a rewrite', async () => {
  const brokers = new Brokers()
  brokers.write('a')
  brokers.begin(1, 'hidden')
  brokers.write('b')
  brokers.tail(3)
  for (let i = 0; i < 3; i++) {
    await brokers.passes(5000)
    refuse(brokers, code.offsetOutOfRange, 1)
  }
  await brokers.passes(5000)
  assert.deepEqual(brokers.told, [])
})

test('a tail that a leader moved back to its end notices a cut below that before it reads on', async () => {
  const brokers = new Brokers()
  brokers.write('a')
  brokers.begin(1, 'hidden')
  brokers.write('b')
  brokers.tail(3)
  await brokers.passes(5000)
  brokers.onTold = (text) => {
    if (text !== 'rewritten 1-2') return
    brokers.log.rewrite(0, brokers.time.nowMs)
    brokers.write('x', 'y')
    brokers.cluster.look()
    for (const node of brokers.cluster.nodes) brokers.cluster.hear(node)
  }
  refuse(brokers, code.offsetOutOfRange, 2)
  await brokers.passes(10_000)
  assert.deepEqual(brokers.told, ['rewritten 1-2', 'rewritten 0-0', 'x@0', 'y@1'])
})

test('the bounds of a deleted log do not apply to its replacement', async () => {
  const brokers = new Brokers()
  brokers.write('a', 'b', 'c')
  brokers.log.retain(2, 0)
  brokers.tail(3)
  let looked = false
  listen(brokers, (key) => {
    looked ||= key === metadataKey
  })
  await brokers.passes(1000)
  looked = false
  while (!looked) await brokers.passes(10)
  await brokers.passes(2300)
  const { leader } = brokers
  let answer: (() => void) | undefined
  let questions = 0
  const { handle } = leader
  leader.handle = (key, body, reply) => {
    if (key !== offsetsKey) return handle.call(leader, key, body, reply)
    leader.failing = undefined
    // The tail asks for the start and for the end of the log in separate requests.
    if (++questions === 1) return handle.call(leader, key, body, reply)
    return handle.call(leader, key, body, (bounds) => {
      answer = () => reply(bounds)
    })
  }
  leader.failing = { partition: 0, error: code.offsetOutOfRange, untilMs: Number.POSITIVE_INFINITY }
  brokers.write('d')
  while (answer === undefined) await brokers.passes(1)
  brokers.broker.delete()
  brokers.broker.create(1)
  while (!brokers.told.includes('recreated')) await brokers.passes(1)
  answer()
  await brokers.passes(1000)
  brokers.write('x', 'y', 'z')
  await brokers.passes(5000)
  assert.deepEqual(brokers.told, ['recreated', 'x@0', 'y@1', 'z@2'])
})

test('a late answer of a former leader, after reading from the next one, is not a rewrite', async () => {
  const brokers = new Brokers(2)
  const { cluster, time, told } = brokers
  const [former, next, other] = cluster.nodes as [KafkaNode, KafkaNode, KafkaNode]
  const lead = (partition: number, { id }: KafkaNode) => {
    cluster.move(partition, id)
    for (const node of cluster.nodes) cluster.hear(node)
  }
  lead(0, next)
  lead(1, other)
  brokers.write('a', 'b', 'c', 'd')
  brokers.tail(0, 0)
  await brokers.passes(5000)
  brokers.log.rewrite(1, time.nowMs)
  brokers.write('x', 'y', 'z')
  const answers: (() => void)[] = []
  const { handle } = former
  former.handle = (key, body, reply) =>
    handle.call(former, key, body, key === fetchKey ? (answer) => answers.push(() => reply(answer)) : reply)
  lead(0, former)
  while (answers.length === 0) await brokers.passes(1)
  lead(0, next)
  // A lost connection to another broker makes the tail request metadata.
  cluster.breakConnections(other)
  while (!told.includes('z@3')) await brokers.passes(1)
  for (const answer of answers) answer()
  await brokers.passes(5000)
  assert.deepEqual(told, ['a@0', 'b@1', 'c@2', 'd@3', 'rewritten 1-3', 'x@1', 'y@2', 'z@3'])
})

test('an added partition is part of the next fetch of its known leader', async () => {
  const brokers = new Brokers(2)
  gather(brokers)
  brokers.writeTo(1, 'a', 'b')
  brokers.tail(0)
  await brokers.passes(5000)
  const asked: number[] = []
  listen(brokers, (key) => asked.push(key))
  while (!asked.includes(metadataKey)) await brokers.passes(10)
  await brokers.passes(100)
  asked.length = 0
  brokers.opened!.add(1, 1)
  await brokers.passes(2050)
  assert.deepEqual([brokers.told, asked.includes(metadataKey)], [['b@1'], false])
})

test('a tail is up, and stays up, when its only unreadable partition is dropped', async () => {
  const brokers = new Brokers(2)
  gather(brokers)
  const other = brokers.cluster.nodes.find((node) => node !== brokers.leader)!
  brokers.cluster.move(1, other.id)
  brokers.tail(0, 0)
  await brokers.passes(5000)
  other.state = 'frozen'
  await brokers.passes(10_000)
  assert.deepEqual(brokers.states, ['up', 'away'])
  brokers.opened!.drop(1)
  assert.deepEqual(brokers.states, ['up', 'away', 'up'])
  await brokers.passes(10_000)
  brokers.write('a')
  await brokers.passes(1000)
  assert.deepEqual([brokers.told, brokers.states], [['a@0'], ['up', 'away', 'up']])
})

test('dropping a partition whose broker is away does not keep the tail away', async () => {
  const brokers = new Brokers(2)
  gather(brokers)
  brokers.tail(0, 0)
  await brokers.passes(5000)
  brokers.onState = (state) => {
    if (state === 'away') brokers.opened!.drop(1)
  }
  const { leader } = brokers
  leader.state = 'frozen'
  await brokers.passes(10_000)
  brokers.cluster.revive(leader)
  brokers.cluster.hear(leader)
  await brokers.passes(10_000)
  assert.deepEqual(brokers.states, ['up', 'away', 'up'])
})

test('dropping a partition does not make a tail up whose topic is missing', async () => {
  const brokers = new Brokers(2)
  brokers.tail(0, 0)
  await brokers.passes(5000)
  brokers.broker.delete()
  await brokers.passes(10_000)
  brokers.opened!.drop(0)
  brokers.opened!.drop(1)
  brokers.opened!.add(1, 0)
  await brokers.passes(5000)
  assert.deepEqual(brokers.states, ['up', 'missing'])
  brokers.broker.create(2)
  brokers.writeTo(0, 'absent')
  brokers.writeTo(1, 'anew')
  await brokers.passes(5000)
  assert.deepEqual(
    [brokers.told, brokers.states],
    [
      ['recreated', 'anew@0'],
      ['up', 'missing', 'up'],
    ],
  )
})

test('a flipped bit in the epoch of a batch, which no checksum covers, changes no history', async () => {
  const brokers = new Brokers()
  brokers.write(...texts('a', 4))
  brokers.tail(0)
  await brokers.passes(1000)
  brokers.write(...texts('b', 30))
  const { batches } = brokers.stored
  for (const { base, bytes } of batches) if (base >= 4 && base < 20) bytes.writeInt32BE(2 ** 20, 12)
  await brokers.passes(5000)
  assert.equal(brokers.told.length, 34)
  assert.deepEqual(new Set(brokers.generations), new Set([brokers.log.epoch]))
  const shown: number[] = []
  const chunk = { partition: 0, from: 4, to: 30, maxBytes: 1 << 20 }
  const sink: RangeSink = { record: ({ generation }) => void shown.push(generation), lost() {} }
  const read = brokers.source.range(brokers.info, chunk, sink)
  await brokers.passes(5000)
  await read
  assert.ok(shown.length > 0 && shown.every((generation) => generation <= brokers.log.epoch), `${shown}`)
})

test('a batch whose first offset has a flipped bit is reported as damaged, and a chunk of it ends', async () => {
  const brokers = new Brokers()
  brokers.write(...texts('a', 30))
  const bad = brokers.stored.batches.find(({ base }) => base >= 10)!
  bad.bytes.writeBigInt64BE(1n, 0)
  brokers.tail(0)
  await brokers.passes(5000)
  const damaged = (offset: number) => offset >= bad.base && offset <= bad.last
  const lost = `corrupt ${bad.base}-${bad.last}`
  const all = Array.from({ length: 30 }, (_, i) => (damaged(i) ? lost : `a${i}@${i}`))
  assert.deepEqual(brokers.told, [...new Set(all)])
  const shown: string[] = []
  const sink: RangeSink = { record() {}, lost: (first, last, reason) => void shown.push(`${reason} ${first}-${last}`) }
  const chunk = { partition: 0, from: bad.base, to: bad.last + 1, maxBytes: 1 }
  void brokers.source.range(brokers.info, chunk, sink).then(({ next }) => shown.push(`next ${next}`))
  await brokers.passes(5000)
  assert.deepEqual(shown, [lost, `next ${bad.last + 1}`])
})
