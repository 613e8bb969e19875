import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CarillonError } from '../../src/base/errors.ts'
import { BadFrame } from '../../src/wire/bad-frame.ts'
import {
  decodeClientFrame,
  decodeServerFrame,
  encodeClientFrame,
  encodeServerFrame,
  serverFrameFromJson,
} from '../../src/wire/json.ts'
import { decodeClientFrame as decodeProto } from '../../src/wire/proto.ts'
import { messages } from '../../src/wire/schema.ts'
import { clientFrame, comparable, controlFrame, delivery } from './arbitraries.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (value: string) => new TextEncoder().encode(value)

function refusal(message: string | Uint8Array): string {
  try {
    decodeClientFrame(message)
  } catch (error) {
    assert.ok(error instanceof CarillonError)
    assert.equal(error.code, 'bad_frame')
    return error.message
  }
  return ''
}

test("a client's frame survives encoding and decoding, as text and as bytes", () => {
  fc.assert(
    fc.property(clientFrame, (frame) => {
      const message = encodeClientFrame(frame)
      assert.deepEqual(comparable(decodeClientFrame(message)), comparable(frame))
      assert.deepEqual(comparable(decodeClientFrame(bytes(message))), comparable(frame))
    }),
  )
})

test("a gateway's frame survives encoding and decoding", () => {
  fc.assert(
    fc.property(controlFrame, (frame) => {
      assert.deepEqual(comparable(decodeServerFrame(encodeServerFrame(frame))), comparable(frame))
    }),
  )
})

test('a delivery survives encoding and decoding, except for the white space of its JSON data', () => {
  fc.assert(
    fc.property(delivery, (frame) => {
      const read = decodeServerFrame(encodeServerFrame(frame))
      assert.ok(read?.kind === 'delivery')
      const event = { ...read.event, data: frame.event.data }
      assert.deepEqual(comparable({ ...read, event }), comparable(frame))
    }),
  )
})

test('frames have their documented forms', () => {
  assert.deepEqual(decodeClientFrame('{"subscribe":{"ref":1,"subject":"a.b","after":["Eab","Ecd"]}}'), {
    kind: 'subscribe',
    ref: 1,
    subject: 'a.b',
    after: ['Eab', 'Ecd'],
  })
  const gap = {
    kind: 'gap',
    stream: 's',
    partition: 0,
    from: 0,
    reason: 'retention',
    certain: false,
    after: 'E',
  } as const
  assert.equal(
    text(encodeServerFrame(gap)),
    '{"gap":{"stream":"s","partition":0,"from":0,"reason":"retention","certain":false,"after":"E"}}',
  )
  const error = { kind: 'error', ref: 0, code: 'bad_ref', message: 'm', retry: 'no', retryAfterMs: 0 } as const
  assert.equal(
    text(encodeServerFrame(error)),
    '{"error":{"code":"bad_ref","message":"m","retry":"no","retryAfterMs":0}}',
  )
  assert.equal(text(encodeServerFrame({ kind: 'live', ref: 3 })), '{"live":{"ref":3}}')
})

test('after is a string or an array, and absent fields have their defaults', () => {
  const subscribe = (after: unknown) => decodeClientFrame(JSON.stringify({ subscribe: { subject: 'a', after } }))
  assert.deepEqual(subscribe('latest'), { kind: 'subscribe', ref: 0, subject: 'a', after: ['latest'] })
  assert.deepEqual(subscribe(null), { kind: 'subscribe', ref: 0, subject: 'a', after: [] })
})

test('an unknown field of any type is ignored', () => {
  const deep = '['.repeat(1000) + ']'.repeat(1000)
  assert.deepEqual(decodeClientFrame(`{"ping":{"t":1,"new":${deep}}}`), { kind: 'ping', t: 1 })
})

test('an error in a frame names the field, the expected type and the value received', () => {
  const cases: [string, RegExp][] = [
    ['', /expected a JSON object/],
    ['{"ping":', /expected a JSON object such as/],
    ['[]', /^frame: expected an object, got an array/],
    ['7', /^frame: expected an object, got 7/],
    ['{}', /expected an object with one key, the kind of frame, got none/],
    ['{"ping":{},"subscribe":{}}', /got 2: the string "ping", the string "subscribe"/],
    ['{"pong":{}}', /expected one of subscribe, unsubscribe and ping as the frame's key, got the string "pong"/],
    ['{"__proto__":{}}', /got the string "__proto__"/],
    ['{"constructor":{}}', /got the string "constructor"/],
    ['{"ping":7}', /^ping: expected an object, got 7/],
    ['{"ping":null}', /^ping: expected an object, got null/],
    ['{"ping":{"t":"1"}}', /^ping\.t: expected an integer from 0 to 9007199254740991, got the string "1"/],
    ['{"ping":{"t":9007199254740992}}', /^ping\.t: expected an integer/],
    ['{"unsubscribe":{"ref":-1}}', /^unsubscribe\.ref: expected an integer from 0 to 4294967295, got -1/],
    ['{"subscribe":{"ref":1.5}}', /^subscribe\.ref: expected an integer from 0 to 4294967295, got 1\.5/],
    ['{"subscribe":{"ref":1,"subject":["a"]}}', /^subscribe\.subject: expected a string, got an array/],
    ['{"subscribe":{"after":{}}}', /^subscribe\.after: expected a string or an array of strings, got an object/],
    ['{"subscribe":{"after":["a",1]}}', /^subscribe\.after\[1\]: expected a string, got 1/],
    ['{"subscribe":{"subject":"\\ud800"}}', /^subscribe\.subject: expected a string without half surrogate pairs/],
  ]
  for (const [message, expected] of cases) assert.match(refusal(message), expected)
})

test('an invalid subscribe is reported with its ref, if it has one', () => {
  const refOf = (read: () => unknown) => {
    try {
      read()
    } catch (error) {
      return error instanceof BadFrame ? error.ref : undefined
    }
    return 'nothing thrown'
  }
  assert.equal(
    refOf(() => decodeClientFrame('{"subscribe":{"ref":7,"subject":5}}')),
    7,
  )
  assert.equal(
    refOf(() => decodeClientFrame('{"subscribe":{"subject":"a","after":{},"ref":8}}')),
    8,
  )
  assert.equal(
    refOf(() => decodeClientFrame('{"subscribe":{"ref":-7,"subject":"a"}}')),
    undefined,
  )
  const proto = messages.ClientFrame.encode({
    subscribe: { ref: 9, subject: 'a', after: [], last: 4_000_000 },
  }).finish()
  assert.equal(
    refOf(() => decodeProto(proto)),
    9,
  )
})

test('bytes that are not UTF-8 are refused as such', () => {
  assert.match(refusal(Uint8Array.of(0x22, 0xff, 0x22)), /not UTF-8/)
})

test('hostile frames are refused with short messages', () => {
  const long = 'x'.repeat(500_000)
  for (const message of ['['.repeat(500_000), `{"${long}":1}`, `{"ping":{"t":"${long}"}}`, `"${long}"`, long]) {
    assert.ok(refusal(message).length < 500)
  }
})

test('any bytes decode to a frame or a bad_frame', () => {
  const damaged = fc.tuple(clientFrame, fc.nat(), fc.nat(255)).map(([frame, at, value]) => {
    const message = bytes(encodeClientFrame(frame))
    message[at % message.length] = value
    return message
  })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array()), (message) => {
      refusal(message)
    }),
    { numRuns: 2000 },
  )
})

test("any JSON decodes to a gateway's frame or a bad_frame", () => {
  const kind = fc.constantFrom(
    'welcome',
    'subscribed',
    'delivery',
    'live',
    'gap',
    'unsubscribed',
    'pong',
    'error',
    'new',
  )
  fc.assert(
    fc.property(kind, fc.jsonValue(), (key, value) => {
      try {
        const frame = serverFrameFromJson({ [key]: value })
        assert.equal(frame?.kind, key === 'new' ? undefined : key)
      } catch (error) {
        assert.ok(error instanceof CarillonError && error.code === 'bad_frame', String(error))
      }
    }),
  )
})

test('a newer gateway causes no error: an unknown frame is undefined, an unknown reason unspecified', () => {
  assert.equal(decodeServerFrame('{"move":{"to":"x"}}'), undefined)
  const gap = decodeServerFrame('{"gap":{"reason":"eclipse","from":1}}')
  assert.equal(gap?.kind === 'gap' && gap.reason, 'unspecified')
})
