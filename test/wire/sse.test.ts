import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CarillonError } from '../../src/base/errors.ts'
import { comment, encodeServerFrame, idLine, openingBlock, positionBlock, retryLine } from '../../src/wire/sse.ts'
import { frameOfEvent, type ServerSentEvent, SseParser } from '../../src/wire/sse-parser.ts'
import { comparable, controlFrame, delivery } from './arbitraries.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

function parse(
  stream: string | Uint8Array,
  cuts: readonly number[] = [],
): { events: ServerSentEvent[]; parser: SseParser } {
  const events: ServerSentEvent[] = []
  const parser = new SseParser((event) => events.push(event))
  const all = typeof stream === 'string' ? bytes(stream) : stream
  const places = [...cuts.map((cut) => cut % (all.length + 1)), all.length].sort((a, b) => a - b)
  let from = 0
  for (const place of places) {
    parser.feed(all.subarray(from, place))
    from = place
  }
  return { events, parser }
}

const message = (data: string, lastEventId = '') => ({ type: 'message', data, lastEventId })

test('lines end with LF, CR or CRLF', () => {
  for (const end of ['\n', '\r', '\r\n']) {
    const { events } = parse(['data: a', 'data: b', '', 'event: x', 'data: c', '', ''].join(end))
    assert.deepEqual(events, [message('a\nb'), { type: 'x', data: 'c', lastEventId: '' }])
  }
})

test('a byte order mark at the start is dropped, a later one is data', () => {
  assert.deepEqual(parse('\ufeffdata: \ufeffx\n\n').events, [message('\ufeffx')])
})

test('one space after the colon is part of the syntax', () => {
  assert.deepEqual(
    parse('data:x\n\ndata: x\n\ndata:  x\n\ndata\n\ndata:\ndata\n\n').events.map(({ data }) => data),
    ['x', 'x', ' x', '', '\n'],
  )
})

test('comments, unknown fields and events without data are ignored', () => {
  assert.deepEqual(parse(':\n\n: x\n\nfoo: bar\n\nevent: x\n\ndata: y\n\n').events, [message('y')])
})

test('an id stays until the next one; one with NUL is ignored; an empty one resets', () => {
  const { events, parser } = parse('id: 1\ndata: a\n\ndata: b\n\nid: 2\u00003\ndata: c\n\nid\ndata: d\n\nid: 9\n\n')
  assert.deepEqual(
    events.map(({ lastEventId }) => lastEventId),
    ['1', '1', '1', ''],
  )
  assert.equal(parser.lastEventId, '9')
})

test('an id counts once its event is complete', () => {
  const { parser } = parse('id: 1\ndata: a\n\nid: 2\ndata: b\n')
  assert.equal(parser.lastEventId, '1')
})

test('retry is digits only', () => {
  assert.equal(parse('retry: 1500\n').parser.retryMs, 1500)
  for (const value of ['', '1.5', '-1', '1e3', 'x', '٣'])
    assert.equal(parse(`retry: ${value}\n`).parser.retryMs, undefined)
})

test('an unfinished event at the end is dropped', () => {
  assert.deepEqual(parse('data: a\n\ndata: b\n').events, [message('a')])
})

test('bytes that are not UTF-8 are replaced, as elsewhere on the web', () => {
  assert.deepEqual(parse(Uint8Array.of(...bytes('data: '), 0xff, 10, 10)).events, [message('\ufffd')])
})

test('the cuts between chunks make no difference', () => {
  const unit = fc.constantFrom(
    'data: é😀',
    'data:x',
    'id: 1',
    'event: e',
    'retry: 5',
    ':c',
    '\n',
    '\r',
    '\r\n',
    '\n\n',
    '\ufeff',
  )
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 16 }), fc.array(fc.nat(), { maxLength: 6 }), (pieces, cuts) => {
      const stream = pieces.join('')
      const whole = parse(stream)
      const cut = parse(stream, cuts)
      assert.deepEqual(cut.events, whole.events)
      assert.deepEqual([cut.parser.lastEventId, cut.parser.retryMs], [whole.parser.lastEventId, whole.parser.retryMs])
    }),
    { numRuns: 1000 },
  )
})

test('an endless line or event is refused at the limit', () => {
  const parser = new SseParser(() => {}, 100)
  const endless = () => {
    for (let i = 0; i < 20; i++) parser.feed(bytes('data: 0123456789'))
  }
  assert.throws(endless, { code: 'frame_too_large' })
  const lines = new SseParser(() => {}, 100)
  assert.throws(() => lines.feed(bytes('data: 0123456789\n'.repeat(20))), { code: 'frame_too_large' })
})

test("the gateway's output parses back to its frames", () => {
  fc.assert(
    fc.property(fc.oneof(controlFrame, delivery), fc.array(fc.nat(), { maxLength: 4 }), (frame, cuts) => {
      const stream = `${idLine('Eab')}${new TextDecoder().decode(encodeServerFrame(frame))}`
      const { events } = parse(stream, cuts)
      assert.equal(events.length, 1)
      const read = frameOfEvent(events[0]!)
      if (frame.kind !== 'delivery') assert.deepEqual(comparable(read), comparable(frame))
      else {
        assert.ok(read?.kind === 'delivery')
        const event = { ...read.event, data: frame.event.data }
        const { refs, ...shared } = frame
        assert.deepEqual(comparable({ ...read, event }), comparable({ ...shared, event, after: 'Eab', stream: '' }))
      }
    }),
    { numRuns: 300 },
  )
})

test('a stream opens with its position, in an event that has data', () => {
  const { events } = parse(positionBlock('Eab'))
  assert.deepEqual(events, [{ type: 'after', data: '{}', lastEventId: 'Eab' }])
  assert.deepEqual(frameOfEvent(events[0]!), { kind: 'after', after: 'Eab' })
})

test('a comment ends no block, and the retry line is part of a block with data', () => {
  const stream = `${new TextDecoder().decode(comment)}${retryLine(1200.5)}${openingBlock('Eab', 25_000)}`
  const { events, parser } = parse(stream)
  assert.deepEqual([events.length, parser.retryMs], [1, 1201])
  assert.deepEqual(stream.match(/\n\n/g)?.length, 1)
})

test('an event that is not a frame is a bad_frame, one of a newer gateway undefined', () => {
  assert.throws(() => frameOfEvent(message('x')), CarillonError)
  assert.throws(() => frameOfEvent(message('[]')), { code: 'bad_frame' })
  assert.equal(frameOfEvent({ type: 'move', data: '{}', lastEventId: '' }), undefined)
})
