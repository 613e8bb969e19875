import assert from 'node:assert/strict'
import { test } from 'node:test'
import { names, number, optionsFrom, script, whole } from './command.ts'

const command = () =>
  script('trial', 'A trial.')
    .configureOutput({ writeErr() {}, writeOut() {} })
    .option('--clients <count>', 'clients', whole(), 5)
    .option('--seconds <s>', 'how long', number({ above: 0 }), 1)
    .option('--only <names>', 'parts', names(['first', 'second', 'third']))
    .option('--json', 'JSON', false)
const parsed = (...args: string[]) => optionsFrom(command(), args)

test('options have their defaults, and are parsed where they are given', () => {
  assert.deepEqual(parsed(), { clients: 5, seconds: 1, json: false })
  assert.deepEqual(parsed('--clients', '7', '--seconds=0.5', '--json'), { clients: 7, seconds: 0.5, json: true })
})

test('names come in the order of the whole list, however they were given', () => {
  assert.deepEqual(parsed('--only', 'third,first'), { clients: 5, seconds: 1, only: ['first', 'third'], json: false })
})

test('a value that is none says what was expected and what was given', () => {
  assert.throws(() => parsed('--clients', '1.5'), /--clients <count>.*expected a whole number from 1, got "1\.5"/)
  assert.throws(() => parsed('--seconds', '0'), /--seconds <s>.*expected a number above 0, got "0"/)
  assert.throws(() => parsed('--seconds', ''), /expected a number above 0, got ""/)
  assert.throws(() => parsed('--only', 'fourth'), /expected names of first, second, third, got "fourth"/)
  assert.throws(() => whole(1, 9)('10'), /expected a whole number from 1 to 9, got "10"/)
  assert.throws(() => number({ least: 2 })('1.9'), /expected a number from 2, got "1\.9"/)
})

test('what is no option or no argument of a script is refused', () => {
  assert.throws(() => parsed('--what'), /unknown option '--what'/)
  assert.throws(() => parsed('what'), /too many arguments/)
})
