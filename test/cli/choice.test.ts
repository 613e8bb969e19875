import assert from 'node:assert/strict'
import { test } from 'node:test'
import { oneOf } from '../../src/cli/choice.ts'

const codes = ['bad_token', 'no_route', 'stream_missing'] as const

test('a word is taken as it is, or refused with the ones that there are and the one that may be meant', () => {
  assert.equal(oneOf('no_route', codes), 'no_route')
  const all = 'expected one of bad_token, no_route, stream_missing'
  const refused = (text: string, message: string) =>
    assert.throws(() => oneOf(text, codes), { code: 'bad_request', message })
  refused('bad_tokn', `${all}; got "bad_tokn"; did you mean bad_token?`)
  refused('NO_ROUTES', `${all}; got "NO_ROUTES"; did you mean no_route?`)
  refused('nonsense', `${all}; got "nonsense"`)
})
