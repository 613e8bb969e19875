import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { splitLines } from '../../src/cli/lines.ts'

async function* chunks(all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all
}

async function split(all: readonly Uint8Array[], maxBytes?: number): Promise<string[]> {
  const lines: string[] = []
  for await (const line of splitLines(chunks(all), maxBytes)) lines.push(Buffer.from(line).toString('latin1'))
  return lines
}

const bytes = (text: string) => Buffer.from(text, 'latin1')

test('a line ends with LF or CRLF, and the last one may have no line end', async () => {
  assert.deepEqual(await split([bytes('one\ntwo\r\n\nfour')]), ['one', 'two', '', 'four'])
  assert.deepEqual(await split([bytes('one\n')]), ['one'])
  assert.deepEqual(await split([]), [])
})

test('lines are the same however their bytes are split into chunks', async () => {
  const line = fc.string({ unit: fc.constantFrom('a', '\r', '\u00ff', '\u0000'), maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 12 }),
      fc.array(fc.nat(40), { maxLength: 12 }),
      async (lines, cuts) => {
        const all = bytes(lines.map((each) => `${each}\n`).join(''))
        const places = [0, ...cuts.filter((cut) => cut < all.length).sort((a, b) => a - b), all.length]
        const pieces = places.slice(1).map((end, i) => all.subarray(places[i], end))
        assert.deepEqual(
          await split(pieces),
          lines.map((each) => each.replace(/\r$/, '')),
        )
      },
    ),
  )
})

test('a line above the bound is refused with its number, and not kept in memory', async () => {
  const endless = Array.from({ length: 100 }, () => bytes('xxxx'))
  await assert.rejects(split([bytes('ok\n'), ...endless], 16), {
    code: 'bad_request',
    message: 'line 2: expected at most 16 bytes, got more',
  })
})
