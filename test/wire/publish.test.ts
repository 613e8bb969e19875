import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CarillonError } from '../../src/base/errors.ts'
import { makeEvent } from '../../src/wire/frames.ts'
import {
  decodePublishRequest,
  decodePublishResponse,
  encodePublishRequest,
  encodePublishResponse,
} from '../../src/wire/publish.ts'
import { messages } from '../../src/wire/schema.ts'
import { comparable, publishable } from './arbitraries.ts'

test('the events of a request survive, and its bytes match the generated encoder', () => {
  fc.assert(
    fc.property(fc.array(publishable, { maxLength: 3 }), (events) => {
      const body = encodePublishRequest(events)
      assert.deepEqual(Buffer.from(body), Buffer.from(messages.PublishRequest.encode({ events }).finish()))
      assert.deepEqual(comparable(decodePublishRequest(body)), comparable(events))
    }),
  )
})

test('an invalid event is named by its index', () => {
  const good = makeEvent({ subject: 'a' })
  const body = messages.PublishRequest.encode({ events: [good, { ...good, subject: '' }] }).finish()
  assert.throws(() => decodePublishRequest(body), {
    code: 'bad_event',
    message: /^events\[1\]: expected a protobuf Event of 0 bytes, but it has no subject/,
  })
})

test('a body that is not a request is a bad_request', () => {
  for (const body of [[0x12, 0], [0x0a], [0x0a, 5, 1], [0x7b, 0x7d]]) {
    assert.throws(() => decodePublishRequest(Uint8Array.from(body)), { code: 'bad_request' })
  }
})

test('any bytes decode to events or an error of the table', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
      for (const read of [decodePublishRequest, decodePublishResponse]) {
        try {
          read(bytes)
        } catch (error) {
          assert.ok(error instanceof CarillonError)
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test('the results of a response survive encoding and decoding', () => {
  const results = [
    { after: 'Eab', stream: 'events', partition: 0, offset: 0 },
    { after: 'Ecd', stream: 'events', partition: 7, offset: 2 ** 53 - 1 },
  ]
  assert.deepEqual(decodePublishResponse(encodePublishResponse(results)), results)
})
