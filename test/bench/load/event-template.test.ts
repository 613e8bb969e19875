import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { EventTemplate } from '../../../src/bench/load/event-template.ts'
import { subjectName } from '../../../src/bench/load/subjects.ts'
import { decodeEvent } from '../../../src/wire/envelope.ts'

test('an event that is written over the template is the event that an encoder makes', () => {
  const prefix = 'bench.k3f9x.s'
  const fields = fc.record({
    subject: fc.integer({ min: 0, max: 9_999_999 }),
    id: fc.integer({ min: 0, max: 2 ** 50 }),
    number: fc.integer({ min: 0, max: 99_999_999 }),
    dueUs: fc.integer({ min: 0, max: 2 ** 50 }),
    wallUs: fc.integer({ min: 1_100_000_000_000_000, max: 4_000_000_000_000_000 }),
  })
  fc.assert(
    fc.property(fields, fc.integer({ min: 64, max: 1000 }), fc.nat(20), (event, payloadBytes, at) => {
      const template = new EventTemplate(prefix, payloadBytes)
      const target = Buffer.alloc(at + template.bytes)
      template.write(target, at, event)
      const decoded = decodeEvent(target.subarray(at))
      assert.equal(decoded.subject, subjectName(prefix, event.subject))
      assert.equal(Number(decoded.id), event.id)
      assert.equal(decoded.publishedAtUs, event.wallUs)
      assert.equal(decoded.data.length, payloadBytes)
      const { t, n } = JSON.parse(Buffer.from(decoded.data).toString())
      assert.deepEqual([Number(t), Number(n)], [event.dueUs, event.number])
    }),
  )
})
