import assert from 'node:assert/strict'
import test from 'node:test'
import { bytesOf, countOf, millisecondsOf, rateOf } from '../../src/cli/amounts.ts'

test("amounts are parsed as people write them, and other text is refused with the option's name", () => {
  assert.deepEqual(
    ['60M', '18k', '250000', '2.5M'].map((text) => countOf('--clients', text)),
    [60e6, 18_000, 250_000, 2.5e6],
  )
  assert.deepEqual(
    ['1/min', '300k/s', '3600/h'].map((text) => rateOf('--rate', text)),
    [1 / 60, 300_000, 1],
  )
  assert.deepEqual([bytesOf('--payload', '512'), bytesOf('--payload', '2KiB')], [512, 2048])
  assert.deepEqual(
    ['50', '50ms', '1.5s'].map((text) => millisecondsOf('--p99', text)),
    [50, 50, 1500],
  )
  for (const text of ['', '0', '-1', '1.5', 'many', '1e3', '5X', 'constructor']) {
    assert.throws(() => countOf('--clients', text), { code: 'bad_request', message: /^--clients: expected .*, got/ })
  }
  for (const text of ['1', '0/s', '1/fortnight', '/s', '1/toString'])
    assert.throws(() => rateOf('--rate', text), /--rate/)
  for (const text of ['17MiB', '-5', 'x']) assert.throws(() => bytesOf('--payload', text), /--payload/)
  for (const text of ['0', '5min', '']) assert.throws(() => millisecondsOf('--p99', text), /--p99/)
})
