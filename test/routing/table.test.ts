import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { fnv1a, murmur2 } from '../../src/base/hash.ts'
import { defaultRoutes, type RouteConfig, type RouteHash, routeHashes } from '../../src/routing/options.ts'
import { type RecordLocation, RoutingTable } from '../../src/routing/table.ts'

const twelve = () => 12
const javaPartition = (key: string, count: number) =>
  (murmur2(Buffer.from(key), 0, Buffer.byteLength(key)) & 0x7fffffff) % count
const fnvPartition = (text: string, count: number) => fnv1a(Buffer.from(text), 0, Buffer.byteLength(text)) % count

function check(table: RoutingTable, subject: string, place: RecordLocation) {
  const framed = Buffer.from(`<${subject}>`)
  return table.check(place, framed, 1, framed.length - 1)
}

const blocks: RouteConfig = {
  subjects: '*.>',
  stream: 'calls',
  by: {
    ranges: [
      { from: '0', to: '01511', partitions: [0] },
      { from: '01511', to: '0152', partitions: [1, 2] },
      { from: 'é', partitions: [3] },
    ],
  },
}

test("without configuration every subject is in the stream events, where Kafka's own hash puts it", () => {
  const table = new RoutingTable(defaultRoutes)
  const expected = { stream: 'events', partition: javaPartition('alarm.zone7.door', 12), key: 'alarm.zone7.door' }
  assert.deepEqual(table.place('alarm.zone7.door', twelve), expected)
  assert.deepEqual(table.rows(), [{ subjects: '>', stream: 'events', rule: 'java' }])
})

/**
 * From librdkafka's tests/0048-partitioner.c, whose values come from crc32 on macOS, Go's
 * hash/fnv and Java.
 */
const librdkafkas: [key: string, crc32: number, murmur2: number, fnv1a: number][] = [
  ['23456', 0xb1b451d7, 0x058d780f, 0x27e6f469],
  ['this is another string with more length to it perhaps', 0xb0150df7, 0x4f7703da, 0x155e3e5f],
  ['hejsan', 0xd077037e, 0x5ec19395, 0x17b1e27a],
]
const placedBy = (hash: RouteHash, key: string, count: number) =>
  // Some keys are not subjects.
  new RoutingTable([{ subjects: '>', stream: 's', by: { hash } }]).routes[0]!.partition(
    Buffer.from(key),
    0,
    key.length,
    count,
  )

test("keys have the partitions of librdkafka's partitioners: consistent_random, murmur2_random, fnv1a_random", () => {
  for (const count of [7, 17, 1000]) {
    for (const [key, crc32, murmur2, fnv1a] of librdkafkas) {
      assert.equal(placedBy('librdkafka', key, count), crc32 % count)
      assert.equal(placedBy('java', key, count), murmur2 % count)
      assert.equal(placedBy('sarama', key, count), fnv1a % count)
    }
  }
})

test("keys have the partitions of Sarama's partitioners", () => {
  // From Sarama's tests of NewConsistentCRCHashPartitioner, over 100 partitions.
  const byCrc = [
    ['abc123def456', 57],
    ['SheetJS', 26],
    ['9e8c7f4cf45857cfff7645d6', 24],
    ['3900446192ff85a5f67da10c', 75],
    ['0f4407b7a67d6d27de372198', 50],
  ] as const
  for (const [key, partition] of byCrc) assert.equal(placedBy('librdkafka', key, 100), partition)
  // NewHashPartitioner: the absolute remainder of a signed number. From librdkafka's rdfnv1a.c,
  // whose values come from Go.
  const byFnv = [
    ['kafka', 0xd33c4e1],
    ['giberish123456789', 0x77a58295],
    ['1234', 0x23bdd03],
    ['PreAmbleWillBeRemoved,ThePrePartThatIs', 0x65cbd69c],
  ] as const
  for (const [key, value] of byFnv) assert.equal(placedBy('sarama', key, 4099), value % 4099)
  // The key in Sarama's test of the lowest number, whose absolute value exceeds 32 bits:
  // -2147483648 % 50 is -48.
  assert.equal(fnv1a(Buffer.from('1468509572224'), 0, 13), 2 ** 31)
  assert.equal(placedBy('sarama', '1468509572224', 50), 48)
})

test("a route without a rule uses Java's hash", () => {
  const table = new RoutingTable([{ subjects: '>', stream: 's' }])
  assert.equal(table.place('a.b', twelve).partition, javaPartition('a.b', 12))
  assert.equal(table.rows()[0]!.rule, 'java')
})

test("by any, a subject may be in all partitions, and gateways publish where Java's hash puts the key", () => {
  const any: RouteConfig = { subject: 'shop.{key}', stream: 's', by: 'any' }
  const table = new RoutingTable([any, { subjects: 'other', stream: 't' }])
  const all = Array.from({ length: 12 }, (_, partition) => partition)
  for (const subject of ['shop.a', 'shop.*', 'shop.>']) {
    assert.deepEqual(table.partitionsFor(subject, twelve), [{ stream: 's', partitions: all }])
    assert.deepEqual(table.partitionsIn('s', subject, 12), all)
  }
  for (const partition of all) assert.equal(check(table, 'shop.a', { stream: 's', partition, count: 12 }), 'ok')
  assert.equal(check(table, 'shop.a', { stream: 't', partition: 0, count: 12 }), 'no_route')
  assert.deepEqual(table.place('shop.a', twelve), { stream: 's', partition: javaPartition('a', 12), key: 'a' })
  assert.deepEqual(table.rows()[0], {
    subjects: 'shop.>',
    stream: 's',
    rule: 'any, as shop.{key}',
    subject: 'shop.{key}',
  })
})

test('routes that can match the same subject are refused, with both routes and an example', () => {
  const by = { hash: 'java' } as const
  const both: RouteConfig[] = [
    { subjects: 'alarm.*.door', stream: 'a', by },
    { subjects: 'mail.>', stream: 'b', by },
    { subjects: '*.zone7.>', stream: 'c', by },
  ]
  const message = /"alarm\.\*\.door" and "\*\.zone7\.>" overlap: both match "alarm\.zone7\.door"/
  assert.throws(() => new RoutingTable(both), { code: 'bad_request', message })
  assert.equal(new RoutingTable(both.slice(0, 2)).routes.length, 2)
})

test('a route by its first tokens has one key and one partition for all subjects below them', () => {
  const table = new RoutingTable([{ subjects: '>', stream: 'events', by: { hash: 'java', tokens: 2 } }])
  const partition = javaPartition('alarm.zone7', 12)
  assert.deepEqual(table.place('alarm.zone7.door.3', twelve), { stream: 'events', partition, key: 'alarm.zone7' })
  assert.deepEqual(table.partitionsFor('alarm.zone7.>', twelve), [{ stream: 'events', partitions: [partition] }])
  assert.equal(table.partitionsFor('alarm.*.door', twelve)[0]!.partitions.length, 12)
  assert.equal(table.partitionsFor('alarm.>', twelve)[0]!.partitions.length, 12)
  assert.equal(table.place('alarm', twelve).partition, javaPartition('alarm', 12), 'fewer tokens: the whole subject')
})

test('nats hashes the tokens that are wildcards in the pattern, concatenated; nats-subject hashes the dotted ones', () => {
  const open = new RoutingTable([{ subjects: 'in.*.x.*', stream: 'n', by: { hash: 'nats' } }])
  assert.equal(open.place('in.eu.x.u1', twelve).partition, fnvPartition('euu1', 12))
  const first = new RoutingTable([{ subjects: 'in.*.*', stream: 'n', by: { hash: 'nats', tokens: 1 } }])
  const place = { stream: 'n', partition: fnvPartition('eu', 12), key: 'in.eu.u1' }
  assert.deepEqual(first.place('in.eu.u1', twelve), place)
  assert.deepEqual(first.partitionsFor('*.eu.*', twelve), [{ stream: 'n', partitions: [fnvPartition('eu', 12)] }])
  const dotted = new RoutingTable([{ subjects: 'in.>', stream: 'n', by: { hash: 'nats-subject' } }])
  assert.equal(dotted.place('in.eu.u1', twelve).partition, fnvPartition('in.eu.u1', 12))
})

test('ranges use the bytewise order of UTF-8, from inclusive, to exclusive', () => {
  const table = new RoutingTable([blocks])
  assert.equal(table.place('0.x', twelve).partition, 0)
  assert.equal(table.place('01510.x', twelve).partition, 0)
  assert.equal(table.place('01511.x', twelve).partition, undefined, 'its publisher chooses among two')
  assert.equal(table.place('\u{10000}.x', twelve).partition, 3, 'above é')
  assert.equal(check(table, '01511.x', { stream: 'calls', partition: 2, count: 12 }), 'ok')
  assert.equal(check(table, '01511.x', { stream: 'calls', partition: 3, count: 12 }), 'misrouted')
})

test('U+10000 is above U+FFFD in a range, unlike in a comparison of JavaScript strings', () => {
  const by = { ranges: [{ from: '\u{fffd}', to: '\u{10000}', partitions: [1] }] }
  const table = new RoutingTable([{ subjects: '>', stream: 'calls', by }])
  assert.equal(table.place('\u{fffd}\u{10000}', twelve).partition, 1)
  assert.throws(() => table.place('\u{10000}', twelve), { code: 'no_route' })
})

test('a subject in no range has no route, for publishing, reading and checking', () => {
  const table = new RoutingTable([blocks])
  assert.throws(() => table.place('a.x', twelve), { code: 'no_route', message: /"a\.x" is in none of the ranges/ })
  assert.throws(() => table.partitionsFor('a.x', twelve), { code: 'no_route' })
  assert.throws(() => table.partitionsFor('a.>', twelve), { code: 'no_route' })
  assert.equal(check(table, 'a.x', { stream: 'calls', partition: 0, count: 12 }), 'no_route')
})

test('a pattern reads the ranges that its first tokens allow', () => {
  const table = new RoutingTable([blocks])
  const of = (pattern: string) => table.partitionsFor(pattern, twelve)[0]!.partitions
  assert.deepEqual(of('01511.>'), [1, 2])
  assert.deepEqual(of('01510.>'), [0])
  assert.deepEqual(of('*.x'), [0, 1, 2, 3])
  const by = { ranges: ['', 'a.', 'a.b', 'a/'].map((from, i, all) => ({ from, to: all[i + 1], partitions: [i] })) }
  const within = new RoutingTable([{ subjects: '>', stream: 'calls', by }])
  assert.deepEqual(within.partitionsFor('a.>', twelve)[0]!.partitions, [1, 2], 'bounds inside of what it matches')
})

test('a range in a partition that the stream lacks is refused on publish', () => {
  const table = new RoutingTable([blocks])
  assert.throws(() => table.place('é.x', () => 2), {
    code: 'no_route',
    message: /partition 3 of stream calls, which has 2/,
  })
})

test('ranges that overlap or are empty are refused', () => {
  const of = (...ranges: { from: string; to?: string; partitions: number[] }[]) =>
    new RoutingTable([{ subjects: '>', stream: 'calls', by: { ranges } }])
  assert.throws(() => of({ from: '2', partitions: [0] }, { from: '1', to: '3', partitions: [1] }), /overlap/)
  assert.throws(() => of({ from: '1', partitions: [0] }, { from: '2', partitions: [1] }), /overlap/)
  assert.throws(() => of({ from: '2', to: '2', partitions: [0] }), /empty/)
  assert.equal(of({ from: '2', partitions: [0] }, { from: '1', to: '2', partitions: [1] }).routes.length, 1)
})

test('a subject of another stream, or of none, has no route here', () => {
  const by = { hash: 'java' } as const
  const table = new RoutingTable([
    { subjects: 'alarm.>', stream: 'alarms', by },
    { subjects: 'mail.>', stream: 'mails', by },
  ])
  assert.equal(
    check(table, 'mail.x', { stream: 'alarms', partition: javaPartition('mail.x', 12), count: 12 }),
    'no_route',
  )
  assert.equal(check(table, 'mail.x', { stream: 'mails', partition: javaPartition('mail.x', 12), count: 12 }), 'ok')
  assert.equal(check(table, 'chat.x', { stream: 'mails', partition: 0, count: 12 }), 'no_route')
  assert.throws(() => table.place('chat.x', twelve), { code: 'no_route', message: /"chat\.x".*alarm\.>, mail\.>/ })
  assert.deepEqual(
    table.partitionsFor('*.x', twelve).map(({ stream }) => stream),
    ['alarms', 'mails'],
  )
})

const orders: RouteConfig = { subject: 'shop.orders.{key}', stream: 'orders', by: { hash: 'java' } }

test('a prefix precedes the keys: the partition is that of the key without it', () => {
  const table = new RoutingTable([orders])
  const partition = javaPartition('c1.paid', 12)
  assert.deepEqual(table.place('shop.orders.c1.paid', twelve), { stream: 'orders', partition, key: 'c1.paid' })
  assert.equal(check(table, 'shop.orders.c1.paid', { stream: 'orders', partition: partition, count: 12 }), 'ok')
  assert.deepEqual(table.partitionsFor('shop.*.c1.paid', twelve), [{ stream: 'orders', partitions: [partition] }])
  assert.equal(table.partitionsFor('shop.>', twelve)[0]!.partitions.length, 12)
  assert.throws(() => table.place('shop.orders', twelve), { code: 'no_route', message: /shop\.orders\.>/ })
  assert.equal(table.prefixOf('orders'), 'shop.orders.')
  assert.equal(table.prefixOf('others'), '')
})

test('with a prefix and a token count, the key is that many tokens after the prefix', () => {
  const table = new RoutingTable([{ ...orders, by: { hash: 'java', tokens: 1 } }])
  const partition = javaPartition('c1', 12)
  assert.deepEqual(table.place('shop.orders.c1.paid', twelve), { stream: 'orders', partition, key: 'c1' })
  assert.deepEqual(table.partitionsFor('shop.orders.c1.>', twelve), [{ stream: 'orders', partitions: [partition] }])
  const subject = Buffer.from('<shop.orders.c1.paid>')
  assert.equal(subject.toString('utf8', 13, table.keyEnd(subject, 1, subject.length - 1)), 'c1')
})

test('ranges and the FNV hashes use the key too', () => {
  const ranges = [{ from: '0043', to: '0044', partitions: [3] }]
  const calls = new RoutingTable([{ subject: 'call.{key}', stream: 'calls', by: { ranges } }])
  assert.deepEqual(calls.place('call.0043123', twelve), { stream: 'calls', partition: 3, key: '0043123' })
  assert.deepEqual(calls.partitionsFor('*.*', twelve), [{ stream: 'calls', partitions: [3] }])
  const nats = (hash: 'nats' | 'nats-subject') =>
    new RoutingTable([{ subjects: 'in.*.x.*', subject: 'in.{key}', stream: 'n', by: { hash } }])
  assert.equal(nats('nats').place('in.eu.x.u1', twelve).partition, fnvPartition('euu1', 12), 'as without the prefix')
  assert.equal(nats('nats-subject').place('in.eu.x.u1', twelve).partition, fnvPartition('eu.x.u1', 12))
})

test('two streams with the same keys do not overlap if their prefixes differ', () => {
  const refunds: RouteConfig = { ...orders, subject: 'shop.refunds.{key}', stream: 'refunds' }
  const table = new RoutingTable([orders, refunds])
  assert.deepEqual(
    [table.place('shop.refunds.c1', twelve).stream, table.place('shop.orders.c1', twelve).stream],
    ['refunds', 'orders'],
  )
  assert.throws(() => new RoutingTable([orders, { ...refunds, subject: 'shop.{key}' }]), /overlap/)
})

test('an invalid template, and subjects that it does not make, are refused', () => {
  const refused = (route: Partial<RouteConfig>, message: RegExp) =>
    assert.throws(() => new RoutingTable([{ ...orders, ...route }]), { code: /bad_request|bad_subject/, message })
  for (const subject of [
    '',
    '{key}.x',
    'orders{key}',
    '{key}{key}',
    'a.{key}.{key}',
    'a..{key}',
    '*.{key}',
    'a b.{key}',
  ]) {
    refused({ subject }, /expected \{key\}|subject "/)
  }
  refused({ subjects: 'shop.>' }, /expected subjects below shop\.orders.*got "shop\.>"/)
  refused({ subjects: 'shop.ordersx.>' }, /expected subjects below/)
  assert.throws(
    () => new RoutingTable([orders, { ...orders, subject: 'x.{key}' }]),
    /stream orders.*"shop\.orders\.\{key\}" and "x\.\{key\}"/,
  )
})

test('subjects of records whose keys are not subjects are composed of constants, headers and fields, in any partition', () => {
  const composed: RouteConfig = { subject: 'orders.{header:region}.n{json:order.id}', stream: 's' }
  const table = new RoutingTable([composed, { subjects: 'other.>', stream: 't' }])
  assert.deepEqual(table.rows()[0], {
    subjects: 'orders.*.*',
    stream: 's',
    rule: 'any, as orders.{header:region}.n{json:order.id}',
    subject: composed.subject,
  })
  assert.equal(table.partitionsFor('orders.eu.n1', twelve)[0]!.partitions.length, 12)
  assert.equal(check(table, 'orders.eu.n1', { stream: 's', partition: 7, count: 12 }), 'ok')
  assert.equal(check(table, 'orders.eu', { stream: 's', partition: 7, count: 12 }), 'no_route')
  const message =
    /"orders\.eu\.n1" belongs to the route "orders\.\*\.\*".*template "orders\.\{header:region\}\.n\{json:order\.id\}": publish to the broker/
  assert.throws(() => table.place('orders.eu.n1', twelve), { code: 'no_route', message })
  assert.equal(new RoutingTable([{ subject: 'clock', stream: 's' }]).routes[0]!.subjects, 'clock')
  assert.equal(new RoutingTable([{ ...composed, subjects: 'orders.eu.*' }]).routes[0]!.subjects, 'orders.eu.*')
})

test('an invalid composed template, or one with conflicting options, is refused', () => {
  const refused = (route: Partial<RouteConfig>, message: RegExp) =>
    assert.throws(() => new RoutingTable([{ stream: 's', ...route }]), { code: /bad_request|bad_subject/, message })
  for (const subject of [
    'a.{value:x}',
    'a.{header:}',
    'a.{json:x..y}',
    'a.{json:x',
    'a.}',
    'a.{key}.{json:x}',
    '{header:{a}}',
  ]) {
    refused({ subject }, /expected \{key\}.*\{header:name\} and \{json:field\}/)
  }
  refused({ subject: 'a.{header:é}' }, /header names of printable ASCII.*"é"/)
  for (const subject of ['a..{json:x}', '.{json:x}', 'a b.{json:x}', 'a.>', '*']) refused({ subject }, /subject "/)
  const subject = 'a.{json:x}'
  refused({ subject, by: { hash: 'java' } }, /expected by: any, or no by/)
  refused({ subject, by: { ranges: [{ from: 'a', partitions: [0] }] } }, /expected by: any, or no by/)
  refused(
    { subject, subjects: 'b.>' },
    /expected subjects as the template "a\.\{json:x\}" makes them, such as a\.\*, got "b\.>"/,
  )
  const two = [
    { subject, stream: 's' },
    { subject: 'b.{json:x}', stream: 's' },
  ]
  assert.throws(() => new RoutingTable(two), /stream s.*"a\.\{json:x\}" and "b\.\{json:x\}"/)
})

const token = fc.constantFrom('a', 'b', 'c', 'dé')
const prefix = fc.constantFrom('', '', 'a.', 'b.dé.')
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((all) => all.join('.'))

/** A pattern that matches `of`, with some tokens replaced by wildcards and perhaps a cut end. */
function patternFor(of: string, open: readonly boolean[], kept: number): string {
  const all = of.split('.').map((each, i) => (open[i] ? '*' : each))
  return (kept < all.length ? [...all.slice(0, kept), '>'] : all).join('.')
}
const cut = fc.tuple(fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), fc.nat(6))

const hashRule = fc.record({
  hash: fc.constantFrom(...routeHashes),
  tokens: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
})
const rangeRule = fc.uniqueArray(subject, { minLength: 1, maxLength: 4 }).map((bounds) => {
  const sorted = bounds.sort((a, b) => Buffer.from(a).compare(Buffer.from(b)))
  return { ranges: sorted.map((from, i) => ({ from, to: sorted[i + 1], partitions: i % 2 === 0 ? [i] : [i, i + 4] })) }
})

test('an event is found where it was published: by each matching pattern, and by the check of its record', () => {
  fc.assert(
    fc.property(
      fc.tuple(subject, prefix),
      fc.tuple(cut, cut),
      fc.oneof(hashRule, rangeRule),
      fc.integer({ min: 8, max: 13 }),
      ([key, before], [routed, subscribed], by, count) => {
        const published = before + key
        const subjects = before + patternFor(key, ...routed)
        const table = new RoutingTable([{ subjects, subject: `${before}{key}`, stream: 'events', by }])
        const bytes = Buffer.from(published)
        if (!table.routes[0]!.covers(bytes, 0, bytes.length)) {
          assert.throws(() => table.place(published, () => count), { code: 'no_route' })
          assert.equal(check(table, published, { stream: 'events', partition: 0, count }), 'no_route')
          return
        }
        const exact = table.partitionsFor(published, () => count)[0]!.partitions
        const { partition } = table.place(published, () => count)
        assert.equal(partition, exact.length === 1 ? exact[0] : undefined)
        for (let each = 0; each < count; each++) {
          const expected = exact.includes(each) ? 'ok' : 'misrouted'
          assert.equal(check(table, published, { stream: 'events', partition: each, count }), expected)
        }
        const wide = table.partitionsFor(patternFor(published, ...subscribed), () => count)[0]!.partitions
        assert.ok(exact.every((each) => wide.includes(each)))
      },
    ),
    { numRuns: 2000 },
  )
})

test('the cause of a misrouted record is judged by the routes of its stream', () => {
  const by = { hash: 'java' } as const
  const table = new RoutingTable([blocks, { subjects: 'x', stream: 'events', by }])
  assert.match(table.misroutedOf('events').because(undefined, 0, 12), /the record has no key/)
  assert.match(table.misroutedOf('calls').because(Buffer.from('01511.x'), 0, 12), /carillon routes/)
})

test('routes are formatted for people', () => {
  const fnv: RouteConfig = { subjects: 'in.*.*', stream: 'n', by: { hash: 'nats', tokens: 1 } }
  assert.deepEqual(new RoutingTable([orders]).rows(), [
    {
      subjects: 'shop.orders.>',
      stream: 'orders',
      rule: 'java, of {key} in shop.orders.{key}',
      subject: 'shop.orders.{key}',
    },
  ])
  assert.deepEqual(
    [fnv, blocks].map((each) => new RoutingTable([each]).rows()[0]!.rule),
    ['nats of the first token', '["0", "01511") in 0; ["01511", "0152") in 1, 2; ["é", end) in 3'],
  )
})

test('in a stream with fewer partitions than a range names, a subject is in no partition, without an error', () => {
  const table = new RoutingTable([blocks])
  assert.deepEqual(table.partitionsIn('calls', 'é.a', 4), [3])
  assert.deepEqual(table.partitionsIn('calls', 'é.a', 3), [])
  assert.deepEqual(table.partitionsIn('other', 'é.a', 4), [])
})
