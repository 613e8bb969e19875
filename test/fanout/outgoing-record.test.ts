import assert from 'node:assert/strict'
import test from 'node:test'
import { OutgoingRecord } from '../../src/fanout/outgoing-record.ts'
import { storedEntry } from '../../src/log/entry.ts'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { logOf } from '../../src/wire/token.ts'

const place = { stream: 'events', partition: 0, ...logOf('events', 'one') }

function missed(publishedAtUs: number, timeMs: number) {
  const buffer = Buffer.from(encodeEvent({ subject: 'a', publishedAtUs }))
  return { ...storedEntry(), buffer, eventEnd: buffer.length, subjectStart: 2, subjectEnd: 3, timeMs }
}

test("an event without a time of publication has its record's time, whatever record came before", () => {
  const record = new OutgoingRecord()
  record.describeMissed(place, missed(7_000_000, 8000), undefined)
  assert.equal(record.publishedAtUs, 7_000_000)
  record.describeMissed(place, missed(0, 9000), undefined)
  assert.equal(record.publishedAtUs, 9_000_000)
})
