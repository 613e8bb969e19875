import assert from 'node:assert/strict'
import { test } from 'node:test'
import { oneOf } from '../../src/cli/choice.ts'

const codes = ['bad_token', 'no_route', 'stream_missing'] as const

test('a choice is accepted, and other text is refused with all choices and the nearest one', () => {
  assert.equal(oneOf('no_route', codes), 'no_route')
  const all = 'expected one of bad_token, no_route, stream_missing'
  const refused = (text: string, message: string) =>
    assert.throws(() => oneOf(text, codes), { code: 'bad_request', message })
  refused('bad_tokn', `${all}; got "bad_tokn"; did you mean bad_token?`)
  refused('NO_ROUTES', `${all}; got "NO_ROUTES"; did you mean no_route?`)
  refused('nonsense', `${all}; got "nonsense"`)
})
