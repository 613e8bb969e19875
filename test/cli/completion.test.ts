import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { commands, names, summaries } from '../../src/cli/commands.ts'
import { command as completion, type Described } from '../../src/cli/completion.ts'
import { options } from '../../src/config/options.ts'

const all: readonly Described[] = await Promise.all(
  names.map(async (name) => {
    const { command } = await commands[name]()
    return { name, summary: summaries[name], command: command(async () => []) }
  }),
)

/** Returns the script that the command prints. */
async function script(shell: string): Promise<string> {
  let printed = ''
  const { write } = process.stdout
  process.stdout.write = (text: string | Uint8Array) => {
    printed += text
    return true
  }
  try {
    await completion(async () => all).parseAsync([shell], { from: 'user' })
  } finally {
    process.stdout.write = write
  }
  return printed
}

test('bash completes commands, options, their values, and arguments', async () => {
  const source = await script('bash')
  const completed = (...words: string[]) => {
    const run = `${source}\nCOMP_WORDS=(carillon ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _carillon; printf '%s\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['--norc', '--noprofile', '-c', run], { encoding: 'utf8' }).trim().split('\n')
  }
  assert.deepEqual(completed('sub'), ['subscribe'])
  assert.deepEqual(completed(''), [...names, 'help'])
  assert.deepEqual(completed('subscribe', 'a', '--tran'), ['--transport'])
  assert.deepEqual(completed('subscribe', 'a', '--transport', ''), ['ws', 'sse', 'poll'])
  assert.deepEqual(completed('subscribe', '--gateway', ''), [''])
  assert.deepEqual(completed('config', 'p'), ['print'])
  assert.deepEqual(completed('completion', ''), ['bash', 'zsh', 'fish', '--help'])
  assert.deepEqual(completed('help', 'stat'), ['status'])
  assert.deepEqual(completed('serve', '--config', import.meta.filename.slice(0, -4)), [import.meta.filename])
  for (const { name, command } of all) {
    const flags = command.options.map(({ long }) => long)
    assert.deepEqual(completed(name, '--').toSorted(), [...flags, '--help'].toSorted(), name)
  }
})

test('each shell completes a configuration option with its choices', async () => {
  const choices = options.filter(({ accepts }) => accepts?.startsWith('one of '))
  assert.ok(choices.length >= 3)
  const [bash, zsh, fish] = await Promise.all(['bash', 'zsh', 'fish'].map(script))
  for (const { flag, accepts } of choices) {
    const words = accepts!.slice('one of '.length).replaceAll(', ', ' ')
    assert.ok(bash!.includes(`'serve ${flag}') COMPREPLY=($(compgen -W '${words}' `), flag)
    assert.ok(zsh!.includes(`: :(${words})'`), flag)
    assert.match(fish!, new RegExp(`-l ${flag.slice(2)} .*'${words}'`), flag)
  }
})

test('the scripts of the other shells contain each option of each command with its description', async () => {
  const [zsh, fish] = [await script('zsh'), await script('fish')]
  for (const { name, command } of all) {
    const [inZsh] = zsh.split(`    ${name}) `)[1]!.split(' ;;')
    for (const { long } of command.options) {
      assert.ok(inZsh!.includes(`'${long}[`), `zsh: ${name} ${long}`)
      const line = `complete -c carillon -n '__fish_seen_subcommand_from ${name}' -l ${long!.slice(2)} `
      assert.ok(fish.includes(line), `fish: ${name} ${long}`)
    }
  }
})

test('an unknown shell is refused by name', async () => {
  const message = 'expected one of bash, zsh, fish; got "powershell"'
  await assert.rejects(script('powershell'), { code: 'bad_request', message })
})
