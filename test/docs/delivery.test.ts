import assert from 'node:assert/strict'
import test from 'node:test'
import { gapReasons } from '../../src/wire/frames.ts'
import { readPage, section, tables, uncode } from './markdown.ts'

test('delivery.md has a row for each reason of a gap, and no other', () => {
  const [rows] = tables(section(readPage('delivery.md'), 'Gaps'))
  const listed = rows!.map(([reason]) => uncode(reason!))
  // `unspecified` is not sent: it is what a client makes of a reason that it does not know.
  const known = gapReasons.filter((reason) => reason !== 'unspecified')
  assert.deepEqual(listed.toSorted(), known.toSorted())
})
