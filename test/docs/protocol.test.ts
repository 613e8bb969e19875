import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { loadConfig } from '../../src/config/load.ts'
import { options } from '../../src/config/options.ts'
import { pageHeaders } from '../../src/edge/router.ts'
import { maxWaitMs } from '../../src/edge/subscribe-request.ts'
import { maxRequestBytes } from '../../src/session/limits.ts'
import { sessionLimits } from '../../src/session/options.ts'
import { maxSubjectBytes } from '../../src/subject/subject.ts'
import { encodeDelivery } from '../../src/wire/delivery.ts'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { decodeClientFrame, decodeServerFrame, encodeServerFrame } from '../../src/wire/json.ts'
import { frameOfEvent, type ServerSentEvent, SseParser } from '../../src/wire/sse-parser.ts'
import { decodeToken, encodePosition, maxPositions } from '../../src/wire/token.ts'
import { codeBlocks, headings, readPage, section, tables, uncode } from './markdown.ts'

const page = readPage('protocol.md')

interface Field {
  readonly name: string
  readonly type: string
}

/** Messages of a .proto file of ours: fields one a line, a `oneof` as if its fields were the message's own. */
function messagesOf(file: string): Map<string, Field[]> {
  const text = readFileSync(new URL(`../../proto/carillon/v1/${file}`, import.meta.url), 'utf8')
  const found = new Map<string, Field[]>()
  for (const [, name, body] of text.matchAll(/^message (\w+) \{\n([\s\S]*?)^\}/gm)) {
    const lines = [...body!.matchAll(/^\s+((?:repeated |optional )?[\w<>, ]+?) (\w+) = \d+;/gm)]
    found.set(
      name!,
      lines.map(([, type, field]) => ({ name: camel(field!), type: type! })),
    )
  }
  return found
}

const camel = (name: string) => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
const gateway = messagesOf('gateway.proto')

/** The first table under a heading, as fields. */
function listed(title: string, index = 0): Field[] {
  const rows = tables(section(page, title))[index] ?? []
  return rows.map(([name, type]) => ({ name: uncode(name!), type: type! }))
}

for (const [title, oneof] of [
  ['Frames from the client', 'ClientFrame'],
  ['Frames from the gateway', 'ServerFrame'],
] as const) {
  test(`protocol.md has a heading for each frame of ${oneof}, in its order, and no other`, () => {
    const found = headings(section(page, title)).slice(1)
    assert.deepEqual(
      found.map((heading) => uncode(heading.title)),
      gateway.get(oneof)!.map(({ name }) => name),
    )
  })

  test(`protocol.md lists the fields of each frame of ${oneof} with their types`, () => {
    const frames = gateway.get(oneof)!
    assert.ok(frames.length > 0)
    for (const { name, type } of frames) assert.deepEqual(listed(`\`${name}\``), gateway.get(type), name)
  })
}

test('protocol.md lists the fields of the limits and of the event with their types', () => {
  assert.deepEqual(listed('`welcome`', 1), gateway.get('Limits'))
  assert.deepEqual(listed('The event'), messagesOf('event.proto').get('Event'))
})

test('each JSON frame in protocol.md is one that the gateway reads or writes just so', () => {
  const clientKinds = gateway.get('ClientFrame')!.map(({ name }) => name)
  const texts = codeBlocks(page).flatMap(({ text }) => text.split('\n'))
  const frames = texts.map((line) => line.replace(/^[<>] /, '')).filter((line) => /^\{"[a-z]+":\{/.test(line))
  const counted = { client: 0, server: 0 }
  for (const line of frames) {
    const [kind] = Object.keys(JSON.parse(line))
    // A refusal over HTTP has an `error` too, without the frame's `retryAfterMs` when it is 0.
    if (kind === 'error' && !line.includes('retryAfterMs')) continue
    if (clientKinds.includes(kind!)) {
      assert.equal(decodeClientFrame(line).kind, kind)
      counted.client++
    } else {
      const frame = decodeServerFrame(line)
      assert.ok(frame !== undefined, line)
      assert.deepEqual(JSON.parse(Buffer.from(encodeServerFrame(frame)).toString()), JSON.parse(line))
      counted.server++
    }
  }
  assert.ok(counted.client >= 6 && counted.server >= 15, JSON.stringify(counted))
})

test('the answers to polls in protocol.md are frames, whether all was told, and a token', () => {
  const lines = codeBlocks(page).flatMap(({ text }) => text.split('\n').filter((line) => line.startsWith('{"frames"')))
  assert.ok(lines.length >= 2)
  for (const line of lines) {
    const { frames, live, after } = JSON.parse(line) as { frames: unknown[]; live: boolean; after: string }
    assert.equal(typeof live, 'boolean')
    assert.equal(decodeToken(after).length, 1)
    for (const frame of frames) assert.equal(decodeServerFrame(JSON.stringify(frame))?.kind, 'delivery')
  }
})

for (const [name, kinds] of [
  ['protocol.md', ['after', 'delivery', 'live', 'error']],
  ['delivery.md', ['gap']],
] as const) {
  test(`the server-sent events in ${name} are blocks of this protocol`, () => {
    const blocks = codeBlocks(readPage(name), 'text').filter(({ text }) => /^(data|retry|event):/m.test(text))
    const seen = new Set<string>()
    for (const { text } of blocks) {
      const events: ServerSentEvent[] = []
      const parser = new SseParser((event) => events.push(event))
      parser.feed(Buffer.from(text.replace(/^\$.*\n/, '')))
      for (const event of events) {
        const frame = frameOfEvent(event)
        assert.ok(frame !== undefined, JSON.stringify(event))
        seen.add(frame.kind)
        if (frame.kind !== 'error') assert.ok(decodeToken(event.lastEventId).length > 0)
      }
    }
    assert.deepEqual([...seen].sort(), [...kinds].sort())
  })
}

test('protocol.md takes its tokens apart as the gateway does', () => {
  const rows = tables(section(page, 'Inside a token'))[1]!
  assert.equal(rows.length, 2)
  for (const [token, name, incarnation, partition, offset, generation] of rows) {
    const position = decodeToken(uncode(token!))[0]!
    assert.deepEqual(position, {
      nameHash: Number.parseInt(name!, 16),
      incarnationHash: Number.parseInt(incarnation!, 16),
      partition: Number(partition),
      offset: Number(offset),
      generation: generation === 'unknown' ? -1 : Number(generation),
    })
  }
})

for (const name of ['protocol.md', 'sdk.md']) {
  test(`${name} names the headers that a preflight allows`, () => {
    const [, said = ''] =
      /preflight allows the\s+headers\s+((?:`[^`]+`,\s+)*`[^`]+`\s+and\s+`[^`]+`)/.exec(readPage(name)) ?? []
    assert.deepEqual(
      [...said.matchAll(/`([^`]+)`/g)].map(([, header]) => header),
      pageHeaders,
    )
  })
}

test('the limits in protocol.md are the defaults', () => {
  const { config } = loadConfig({ flags: {}, env: {} })
  const fixed = new Map([
    ['a subject or pattern, bytes', maxSubjectBytes],
    ['partitions of an SSE or poll request', sessionLimits.maxTokenPartitions],
    ['positions in all tokens', maxPositions],
    ['consecutive refused frames with `retry` no', sessionLimits.maxErrors],
    ['refused frames with `retry` no in one session', sessionLimits.maxMistakes],
    ['control frames waiting for a full socket', sessionLimits.maxWaitingFrames],
    ['`wait` of a poll, ms', maxWaitMs],
    [
      "a poll's body, bytes: 271 for each subscription that `limits.maxSubscriptions` allows, and 73734 for tokens",
      maxRequestBytes(sessionLimits),
    ],
  ])
  const [rows] = tables(section(page, 'Limits'))
  for (const [limit, value, option] of rows!) {
    const name = uncode(option!).replace('limits.', '')
    const expected = name === '' ? fixed.get(limit!) : config.limits[name as keyof typeof config.limits]
    assert.equal(Number(value), expected, limit)
  }
  assert.equal(rows!.filter(([, , option]) => option === '').length, fixed.size)
  assert.ok(options.some(({ path }) => path === 'limits.maxSessions'))
})

test('a frame is no larger than protocol.md says of the largest event', () => {
  const limit = 1_000_000
  const rows = tables(section(page, 'How large a frame may be'))[0]!
  assert.match(rows[0]![1]!, /^the event and 100 bytes$/)
  assert.match(rows[1]![1]!, /^the event \(a third more for `base64`, up to six times as much for .*\) and 200 bytes$/)
  const after = encodePosition({
    nameHash: 2 ** 32 - 1,
    incarnationHash: 2 ** 32 - 1,
    partition: 999,
    offset: 2 ** 53 - 2,
    generation: 2 ** 31,
  })
  const place = { after, stream: 'x'.repeat(40), partition: 999, offset: 2 ** 53 - 2, eventStart: 0 }
  for (const [contentType, byte, factor] of [
    ['application/octet-stream', 0xff, 4 / 3],
    ['text/plain', 0x01, 6],
    ['text/plain', 0x61, 1],
  ] as const) {
    const event = Buffer.from(encodeEvent({ subject: 'a', contentType, data: new Uint8Array(limit - 60).fill(byte) }))
    assert.ok(event.length <= limit && event.length > limit - 50)
    const parts = { ...place, event, eventEnd: event.length, refs: [1] }
    assert.ok(encodeDelivery('proto', parts).length <= limit + 100)
    for (const encoding of ['json', 'sse'] as const) {
      assert.ok(encodeDelivery(encoding, parts).length <= limit * factor + 200, `${encoding} ${contentType}`)
    }
  }
})
