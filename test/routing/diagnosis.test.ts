import assert from 'node:assert/strict'
import test from 'node:test'
import { murmur2 } from '../../src/base/hash.ts'
import type { RouteConfig, RouteRule } from '../../src/routing/options.ts'
import { RoutingTable } from '../../src/routing/table.ts'

const count = 12
const table = (by: RouteRule, more: Partial<RouteConfig> = {}) =>
  new RoutingTable([{ subjects: '>', stream: 's', by, ...more }])
const keys = Array.from({ length: 200 }, (_, i) => Buffer.from(`alarm.zone${i}.door`))

type Place = (key: Buffer, count: number) => number

/** The partitions of a key under rules of other producers. */
const placeBy =
  (by: RouteRule, more: Partial<RouteConfig> = {}): Place =>
  (key, count) =>
    table(by, more).place(key.toString(), () => count).partition!

/** Returns the causes of the misrouted ones among these keys, in order. */
function causes(own: RouteRule, place: Place, more: Partial<RouteConfig> = {}, partitions = count): string[] {
  const misrouted = table(own, more).misroutedOf('s')
  const right = placeBy(own, more)
  return keys.flatMap((key) => {
    const partition = place(key, partitions)
    return partition === right(key, partitions) ? [] : [misrouted.because(key, partition, partitions)]
  })
}

const open = { subjects: 'alarm.*.*' }

test("the rule of other producers is identified from misrouted keys, and named as the route's fix", () => {
  const rules: [RouteRule, RegExp][] = [
    [
      { hash: 'java' },
      /Java's hash \(murmur2\), as (\d+) of \1 misrouted keys show: set by: \{hash: java\} for its route$/,
    ],
    [{ hash: 'librdkafka' }, /librdkafka's default hash \(CRC32\).*: set by: \{hash: librdkafka\} for its route/],
    [{ hash: 'sarama' }, /Sarama's .*: set by: \{hash: sarama\} for its route$/],
    [{ hash: 'nats' }, /\{\{partition\(n,…\)\}\}.*: set by: \{hash: nats\} for its route$/],
    [{ hash: 'nats', tokens: 1 }, /\{\{partition\(n,…\)\}\}.*: set by: \{hash: nats, tokens: 1\} for its route$/],
    [{ hash: 'nats-subject' }, /\{\{partition\(n\)\}\}.*: set by: \{hash: nats-subject\} for its route$/],
  ]
  for (const [own] of rules) {
    for (const [other, expected] of rules) {
      if (own === other) continue
      const said = causes(own, placeBy(other, open), open)
      assert.ok(said.length > 50)
      assert.match(said.at(-1)!, expected)
    }
  }
})

test("for a Java route, librdkafka's default is reported with the producer's setting as well", () => {
  const [first] = causes({ hash: 'java' }, placeBy({ hash: 'librdkafka' }))
  assert.match(first!, /CRC32.*\{hash: librdkafka\}.*partitioner=murmur2_random in its producer/)
  assert.doesNotMatch(causes({ hash: 'sarama' }, placeBy({ hash: 'librdkafka' }))[0]!, /murmur2_random/)
})

test("the suggested rule keeps the route's tokens", () => {
  const said = causes({ hash: 'java', tokens: 3 }, placeBy({ hash: 'librdkafka', tokens: 3 }))
  assert.match(said.at(-1)!, /set by: \{hash: librdkafka, tokens: 3\}/)
})

test('a rule that fits one key by chance is named beside the other one until more keys are known', () => {
  const byCrc = placeBy({ hash: 'librdkafka' })
  const both = keys.find((key) => byCrc(key, count) === placeBy({ hash: 'sarama' })(key, count))!
  const misrouted = table({ hash: 'java' }).misroutedOf('s')
  const first = misrouted.because(both, byCrc(both, count), count)
  assert.match(first, /librdkafka's default.*or by Sarama's .*; more keys will tell: set by/)
  for (const key of keys.slice(0, 5)) misrouted.because(key, byCrc(key, count), count)
  assert.doesNotMatch(misrouted.because(both, byCrc(both, count), count), /Sarama/)
})

test('a key placed by hand does not hide the rule of the others', () => {
  const byCrc = placeBy({ hash: 'librdkafka' })
  const misrouted = table({ hash: 'java' }).misroutedOf('s')
  misrouted.because(keys[0], (byCrc(keys[0]!, count) + 1) % count, count)
  const places = keys
    .slice(1)
    .flatMap((key) => (byCrc(key, count) === placeBy({ hash: 'java' })(key, count) ? [] : [key]))
  for (const key of places) assert.match(misrouted.because(key, byCrc(key, count), count), /librdkafka's default/)
})

test('a change of the partition count discards earlier keys', () => {
  const misrouted = table({ hash: 'java' }).misroutedOf('s')
  const [byCrc, bySarama] = [placeBy({ hash: 'librdkafka' }), placeBy({ hash: 'sarama' })]
  for (const key of keys) misrouted.because(key, byCrc(key, count), count)
  const said = keys.map((key) => misrouted.because(key, bySarama(key, 31), 31))
  assert.match(said.at(-1)!, /Sarama's/)
})

test("if the partition count is a power of two, only Java's hash is named, since the one with the sign bit is equal", () => {
  for (const hash of ['librdkafka', 'sarama'] as const) {
    for (const partitions of [4, 16]) {
      const said = causes({ hash }, placeBy({ hash: 'java' }), {}, partitions)
      assert.match(said.at(-1)!, /Java's hash \(murmur2\), as (\d+) of \1 misrouted keys show: set by: \{hash: java\}/)
    }
  }
})

test('murmur2 with its sign bit is recognised', () => {
  const said = causes({ hash: 'java' }, (key, count) => murmur2(key, 0, key.length) % count)
  assert.match(said.at(-1)!, /sign bit.*: give it a Java-compatible partitioner, or set by: any/)
})

test('a changed partition count is recognised, with an example of a count that explains it', () => {
  const withEight = (key: Buffer) => placeBy({ hash: 'java' })(key, 8)
  const said = causes({ hash: 'java' }, withEight).filter((each) => each.includes('no known hash'))
  assert.ok(said.length > 50)
  const misrouted = table({ hash: 'java' }).misroutedOf('s')
  for (const key of keys.slice(0, 20)) misrouted.because(key, withEight(key), count)
  const key = keys.find((each) => withEight(each) !== placeBy({ hash: 'java' })(each, count))!
  const named = Number(/with (\d+) partitions/.exec(misrouted.because(key, withEight(key), count))![1])
  assert.equal(placeBy({ hash: 'java' })(key, named), withEight(key))
})

test('a record that is right for its key has another key than its subject', () => {
  for (const hash of ['java', 'librdkafka', 'sarama', 'nats-subject'] as const) {
    const [key] = keys
    const said = table({ hash }).misroutedOf('s').because(key, placeBy({ hash })(key!, count), count)
    assert.match(said, /the partition is right for this key.*carillon routes/)
  }
})

test('a record without a key is reported as such', () => {
  const misrouted = table({ hash: 'java' }).misroutedOf('s')
  assert.match(misrouted.because(undefined, 3, count), /no key.*by: any/)
  assert.match(misrouted.because(Buffer.alloc(0), 3, count), /no key/)
})

test('a key longer than any subject is neither hashed nor kept', () => {
  const misrouted = table({ hash: 'java' }).misroutedOf('s')
  const placed = placeBy({ hash: 'librdkafka' })
  for (let i = 0; i < 300; i++) assert.match(misrouted.because(Buffer.alloc(256, `${i}`), 3, count), /longer than any/)
  const key = keys.find((each) => placed(each, count) !== placeBy({ hash: 'java' })(each, count))!
  assert.match(misrouted.because(key, placed(key, count), count), /CRC32\)(?!, as)/)
})

test('for a route by ranges, no hash is guessed', () => {
  const ranges = table({ ranges: [{ from: 'a', partitions: [0] }] }).misroutedOf('s')
  assert.match(
    ranges.because(Buffer.from('b'), 3, count),
    /its producer chose a partition that its route does not allow/,
  )
})
