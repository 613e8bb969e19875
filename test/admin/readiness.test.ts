import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StreamTrouble } from '../../src/fanout/feeds.ts'
import { type ReadinessFacts, readiness } from '../../src/gateway/readiness.ts'

const away: StreamTrouble = { what: 'stream events is away: refused', when: 'while it is served' }
const starting: StreamTrouble = { what: 'stream events is starting: not asked yet', when: 'before it was served' }
const well: ReadinessFacts = { leaving: false, door: 'open', streams: [], pauses: [] }

/**
 * Facts, expected reasons to send new clients elsewhere, and expected reports of a ready but
 * degraded gateway.
 */
const table: readonly (readonly [
  Partial<ReadinessFacts>,
  reasons: RegExp | undefined,
  degraded: RegExp | undefined,
])[] = [
  [{}, undefined, undefined],
  [{ door: 'not yet' }, /starting/, undefined],
  [{ streams: [starting] }, /events is starting/, undefined],
  [{ streams: [away] }, undefined, /events is away/],
  [{ streams: [starting, away] }, /events is starting/, /events is away/],
  [{ door: 'no descriptors' }, /descriptors are used up/, undefined],
  [{ door: 'no descriptors', streams: [away] }, /descriptors are used up/, /events is away/],
  [{ pauses: ['broker b:9092 holds client id "carillon-live" back'] }, undefined, /holds client id/],
  [{ leaving: true, streams: [away] }, /going away/, undefined],
]

for (const [standing, reasons, degraded] of table) {
  test(`/readyz of a gateway with ${JSON.stringify(standing)}`, () => {
    const result = readiness({ ...well, ...standing })
    assert.match(result.reasons.join('\n'), reasons ?? /^$/)
    assert.match(result.degraded.join('\n'), degraded ?? /^$/)
  })
}
