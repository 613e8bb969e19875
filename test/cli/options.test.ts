import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { configOf, withConfig } from '../../src/cli/options.ts'
import { command as serve } from '../../src/cli/serve.ts'
import { ConfigError } from '../../src/config/mistakes.ts'
import { options, sections } from '../../src/config/options.ts'

const help = serve().helpInformation()

/** Returns the lines of the help under a heading. */
function group(head: string): string[] {
  const lines = help.split('\n')
  const from = lines.findIndex((line) => line.startsWith(head))
  assert.ok(from >= 0, head)
  return lines.slice(from + 1, lines.indexOf('', from))
}

test('each option except structures is a flag of serve, in the group of its section', () => {
  for (const { path, flag, kind } of options) {
    const shown = group(path.includes('.') ? `${path.split('.')[0]}: ` : 'Options:').some((line) => {
      return line.startsWith(`  ${flag} `)
    })
    assert.equal(shown, kind !== 'structure', flag)
  }
  assert.deepEqual([...sections.keys()], ['window', 'limits', 'readBack', 'kafka', 'nats', 'embedded', 'traces'])
})

test('the help shows the unit of a value, or its kind of text', () => {
  for (const [flag, value] of [
    ['--broker', 'url'],
    ['--listen', 'host:port'],
    ['--tls-cert', 'file'],
    ['--heartbeat-ms', 'ms'],
    ['--window-index-mib', 'MiB'],
    ['--limits-max-event-bytes', 'bytes'],
    ['--limits-max-sessions', 'count'],
  ]) {
    assert.match(help, new RegExp(`^  ${flag} <${value}> `, 'm'))
  }
  for (const { path, flag, kind } of options) {
    const isCount = help.includes(`  ${flag} <count>`)
    const hasUnit = /(Ms|MiB|Bytes)$/.test(path)
    assert.equal(isCount, kind === 'number' && !hasUnit, flag)
  }
})

test('the help shows choices, and defaults that are not empty', () => {
  assert.match(help, /--listen <host:port> .*\(default: 127\.0\.0\.1:8080\)$/m)
  assert.match(help, /--log-level <level> .*\(default: info\) \(choices: "debug", "info", "warn", "error"\)$/m)
  assert.doesNotMatch(help, /--(allow-origin|tls-cert|dev)\b.*default:/)
})

/** Returns the configuration for a command line. */
function parsed(...args: string[]) {
  const command = withConfig(new Command(), () => true).exitOverride()
  command.parse(args, { from: 'user' })
  return configOf(command)
}

test('flags set their options; repeating the flag of a list adds to the list', () => {
  const origins = ['--allow-origin', 'https://a.example', '--allow-origin', 'https://b.example']
  const { config, origins: from } = parsed('--limits-max-sessions', '7', '--create-topics', ...origins)
  assert.equal(config.limits.maxSessions, 7)
  assert.equal(config.createTopics, true)
  assert.deepEqual(config.allowOrigin, ['https://a.example', 'https://b.example'])
  assert.equal(from.get('limits.maxSessions'), 'flag --limits-max-sessions')
  assert.equal(from.has('listen'), false)
})

test('structures are YAML', () => {
  const { config } = parsed('--streams', '{events: {topic: t, partitions: 2, headers: [zone]}}')
  const { topic, partitions, headers } = config.streams.events!
  assert.deepEqual({ topic, partitions, headers }, { topic: 't', partitions: 2, headers: ['zone'] })
})

test('mistakes in all flags are reported together', () => {
  assert.throws(
    () => parsed('--drain-ms', 'soon', '--log-format', 'xml'),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.deepEqual(
        error.mistakes.map((mistake) => mistake.replace(/ \(.*/, '')),
        [
          '--log-format: expected one of auto, json, text, got "xml"',
          '--drain-ms: expected a whole number from 0 to 3600000, got "soon"',
        ],
      )
      return true
    },
  )
})
