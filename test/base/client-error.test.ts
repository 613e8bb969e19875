import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { forClient } from '../../src/base/client-error.ts'
import { CarillonError, type ErrorCode } from '../../src/base/errors.ts'

const sources = new URL('../../src/source/', import.meta.url)

/**
 * Codes whose messages contain no address, command, right or path of the broker: they concern the
 * client's event, the configuration or a limit.
 */
const safe = ['bad_event', 'bad_request', 'event_too_large', 'no_route', 'overloaded']

test('no message of an adapter about its broker reaches a client', () => {
  const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const text = files.map((file) => readFileSync(new URL(file, sources), 'utf8')).join('\n')
  const codes = new Set(
    [...text.matchAll(/'([a-z_]+)'/g)]
      .map(([, word]) => word!)
      .filter((word) => text.includes(`CarillonError('${word}'`)),
  )
  for (const [, code] of text.matchAll(/new CarillonError\(\s*'([a-z_]+)'/g)) codes.add(code!)
  assert.ok(codes.has('broker_unavailable') && codes.has('storage_full'))
  for (const code of codes) {
    if (safe.includes(code)) continue
    const { error, withheld } = forClient(new CarillonError(code as ErrorCode, 'connect ECONNREFUSED 10.0.0.1:9092'))
    assert.doesNotMatch(error.message, /ECONNREFUSED/, code)
    assert.equal(withheld, 'connect ECONNREFUSED 10.0.0.1:9092', code)
  }
})

test('an error keeps its code and its delay, and is withheld once', () => {
  const { error } = forClient(new CarillonError('storage_full', 'found 0 bytes in /var/lib', { retryAfterMs: 700 }))
  assert.deepEqual([error.code, error.retryAfterMs], ['storage_full', 700])
  assert.deepEqual(forClient(error), { error, withheld: undefined })
  const own = new CarillonError('bad_subject', 'pattern "a..b": token 2 is empty')
  assert.deepEqual(forClient(own), { error: own, withheld: undefined })
})
