import assert from 'node:assert/strict'
import { test } from 'node:test'
import { escapedJson, printable } from '../../src/base/printable.ts'
import { deliveryJson, deliveryText, gapJson, gapText } from '../../src/cli/event-lines.ts'
import { counted, jsonLine, table } from '../../src/cli/text.ts'
import { type Delivery, type Gap, makeEvent } from '../../src/wire/frames.ts'

function delivery(fields: Partial<Delivery['event']>): Delivery {
  const event = makeEvent({ subject: 'a.b', ...fields })
  return { kind: 'delivery', after: 'T', partition: 3, offset: 17, event }
}
const bytes = (text: string) => Buffer.from(text)
const now = new Date(2026, 0, 2, 3, 4, 5, 6)

test('control characters and bidirectional overrides are escaped', () => {
  const hostile = 'a\u001b[2J\u0007\r\n\t\u009b31m\u202edcba\u2066\u200e\u2028\ufeffz'
  const shown = printable(hostile)
  assert.equal(shown, 'a\\u001b[2J\\u0007\\u000d\\u000a\\u0009\\u009b31m\\u202edcba\\u2066\\u200e\\u2028\\ufeffz')
  assert.equal(printable('Gr\u00fc\u00dfe \u{1f514} \u65e5\u672c'), 'Gr\u00fc\u00dfe \u{1f514} \u65e5\u672c')
})

test('escaped JSON has the same value, and keeps tabs between tokens', () => {
  const value = { text: 'a\u001b\u009b\u202e\u2028b' }
  const json = escapedJson(`{\t"text": ${JSON.stringify(value.text)}}`)
  assert.match(json, /^[\t\u0020-\u007e]*$/)
  assert.deepEqual(JSON.parse(json), value)
})

test('an event is printed as a line with time, subject, position, latency and data', () => {
  const publishedAtUs = (now.getTime() - 4) * 1000
  const line = deliveryText(delivery({ data: bytes('{"open":true}'), publishedAtUs }), now, 'new')
  assert.equal(line, '03:04:05.006  a.b  3@17  4 ms  {"open":true}')
})

test('a missed event is printed with an age instead of a latency', () => {
  const line = (ageMs: number) => {
    const publishedAtUs = (now.getTime() - ageMs) * 1000
    return deliveryText(delivery({ data: bytes('1'), publishedAtUs }), now, 'missed')
  }
  assert.equal(line(182_000), '03:04:05.006  a.b  3@17  3 min 2 s ago  1')
  assert.equal(line(4), '03:04:05.006  a.b  3@17  0 s ago  1')
  // The publisher's clock is ahead.
  assert.equal(line(-4000), '03:04:05.006  a.b  3@17  0 s ago  1')
})

test("without the publisher's time, no latency is printed, and a deletion is marked as one", () => {
  assert.equal(deliveryText(delivery({ deleted: true }), now, 'new'), '03:04:05.006  a.b  3@17  (deleted)')
})

test('long data is cut and followed by its size', () => {
  const line = deliveryText(delivery({ data: bytes('x'.repeat(5000)) }), now, 'new')
  assert.ok(line.endsWith('x\u2026 (5000 bytes)'))
  assert.ok(line.length < 2100)
})

test('as JSON, an event is one line with its position and the time of its arrival', () => {
  const line = deliveryJson(delivery({ data: bytes('{"n":12345678901234567890}'), contentType: 'application/json' }), 7)
  assert.ok(line.includes('"data":{"n":12345678901234567890}'))
  const { event, ...place } = JSON.parse(line)
  assert.deepEqual(place, { after: 'T', partition: 3, offset: 17, receivedAtUs: 7000 })
  assert.equal(event.subject, 'a.b')
})

test('a gap shows its range, and whether events were certainly lost', () => {
  const gap: Gap = {
    kind: 'gap',
    stream: 'events',
    partition: 2,
    from: 5,
    to: 9,
    reason: 'retention',
    certain: true,
    after: 'T',
  }
  assert.equal(gapText(gap), 'gap: events, from 2@5 to 2@9: retention, events were lost')
  assert.equal(
    gapText({ ...gap, to: undefined, certain: false }),
    'gap: events, from 2@5: retention, events may be missing',
  )
  assert.equal(gapText({ ...gap, reason: 'latest', n: 4 }), 'gap: events, from 2@5 to 2@9: latest, 4 left out')
  assert.deepEqual(JSON.parse(gapJson(gap)).gap.reason, 'retention')
})

test('a table is as wide as its widest cells', () => {
  assert.equal(table(['a', 'head'], [['long cell', 'b']]), 'a          head\nlong cell  b')
})

test('a table escapes control characters in cells, and its width counts the escapes', () => {
  assert.equal(
    table(
      ['a', 'b'],
      [
        ['\u009b31m', 'c'],
        ['d', '\n'],
      ],
    ),
    'a          b\n\\u009b31m  c\nd          \\u000a',
  )
})

test('a line of JSON keeps its value, with control characters escaped', () => {
  const value = { name: 'a\u001b\u009b\u202e\n' }
  const line = jsonLine(value)
  assert.match(line, /^[\u0020-\u007e]*$/)
  assert.deepEqual(JSON.parse(line), value)
})

test('a count of one has a singular noun', () => {
  assert.deepEqual(
    [0, 1, 2].map((count) => counted(count, 'gap')),
    ['0 gaps', '1 gap', '2 gaps'],
  )
})
