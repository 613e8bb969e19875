import assert from 'node:assert/strict'
import { test } from 'node:test'
import { optionsFrom } from '../command/command.ts'
import { attackNames } from './attacks.ts'
import { command, type Options, plansOf, together } from './options.ts'

const plans = (...args: string[]) => plansOf(optionsFrom<Options>(command().configureOutput({ writeErr() {} }), args))
const shape = (...args: string[]) =>
  plans(...args).map(({ name, attacks, seconds, quietSeconds }) => [name, attacks.length, seconds, quietSeconds])

test('without options each attack comes alone, and in the end all at once for five minutes', () => {
  const alone = attackNames.map((name) => [name, 1, 20, 20])
  assert.deepEqual(shape(), [...alone, [together, attackNames.length, 300, 30]])
})

test('attacks are chosen, left out of all at once, and shortened', () => {
  const args = ['--only', `deep-json,${together}`, '--without', 'fragments,json-pings', '--seconds', '7']
  assert.deepEqual(shape(...args), [
    ['deep-json', 1, 7, 7],
    [together, attackNames.length - 2, 7, 7],
  ])
})

test('a name or a number that is none says what was expected', () => {
  assert.throws(() => plans('--only', 'nothing'), /--only.*expected names of last-request.*, got "nothing"/)
  assert.throws(() => plans('--without', 'all'), /--without.*expected names of/)
  assert.throws(() => plans('--seconds', '0'), /--seconds.*expected a whole number from 1 to 3600, got "0"/)
  assert.throws(() => plans('--what'), /unknown option/)
})
