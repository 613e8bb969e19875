import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { openSource, parseBrokerUrl } from '../../src/source/open.ts'

test('a Kafka URL yields its brokers, with the default port if it names none', () => {
  const brokers = (url: string) => {
    const parsed = parseBrokerUrl(url)
    return parsed.kind === 'kafka' ? parsed.brokers : []
  }
  assert.deepEqual(brokers('kafka://h:9092,h2:19092'), ['h:9092', 'h2:19092'])
  assert.deepEqual(brokers('kafka://broker.example, 10.0.0.1:1/'), ['broker.example:9092', '10.0.0.1:1'])
  assert.deepEqual(brokers('kafka://[::1]:9093,[fe80::1]'), ['[::1]:9093', '[fe80::1]:9092'])
})

test('a NATS URL yields its servers, with the default port if it names none, and whether to use TLS', () => {
  assert.deepEqual(parseBrokerUrl('nats://h,h2:19800'), { kind: 'nats', servers: ['h:4222', 'h2:19800'], tls: false })
  assert.deepEqual(parseBrokerUrl('tls://h'), { kind: 'nats', servers: ['h:4222'], tls: true })
  assert.throws(() => parseBrokerUrl('nats://alice:secret@h'), /credentials/)
})

test('an embedded URL yields its directory, relative to the working directory', () => {
  assert.deepEqual(parseBrokerUrl('embedded:/var/lib/carillon'), { kind: 'embedded', dir: '/var/lib/carillon' })
  assert.deepEqual(parseBrokerUrl('embedded:.carillon'), { kind: 'embedded', dir: resolve('.carillon') })
})

test('an invalid URL is refused with the expected form and the actual text', () => {
  const cases: [string, RegExp][] = [
    [
      'amqp://h:5672',
      /kafka:\/\/HOST:PORT.*nats:\/\/HOST:PORT.*embedded:DIRECTORY.*"amqp:\/\/h:5672": "amqp" is no broker/,
    ],
    ['localhost:9092', /"localhost" is no broker/],
    ['/var/lib/carillon', /has no scheme/],
    ['', /has no scheme/],
    ['embedded:', /names no directory/],
    ['kafka://', /"" is no HOST:PORT/],
    ['kafka://h:9092,,h2', /"" is no HOST:PORT/],
    ['kafka://h:0', /"h:0" is no HOST:PORT/],
    ['kafka://h:70000', /"h:70000" is no HOST:PORT/],
    ['kafka://h/topic', /"h\/topic" is no HOST:PORT/],
  ]
  for (const [url, message] of cases) {
    assert.throws(() => parseBrokerUrl(url), { code: 'bad_request', message }, url)
  }
})

test('a password in a URL is refused and not repeated', () => {
  assert.throws(
    () => parseBrokerUrl('kafka://alice:secret@h:9092'),
    (error: Error) => error.message.includes('credentials') && !error.message.includes('secret'),
  )
})

test('opening an embedded log returns a source under its name', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-open-'))
  const source = await openSource(`embedded:${dir}`, { log() {} })
  assert.equal(source.kind, 'embedded')
  assert.equal(source.name, `embedded:${dir}`)
  await source.close()
  rmSync(dir, { recursive: true })
})

test('opening an embedded log loads nothing of Kafka', () => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-open-'))
  const script = `
    import { openSource } from ${JSON.stringify(resolve('src/source/open.ts'))}
    import { createRequire } from 'node:module'
    const source = await openSource('embedded:${dir}', { log() {} })
    await source.close()
    console.log(Object.keys(createRequire(import.meta.url).cache).filter((path) => path.includes('kafkajs')).length)`
  const child = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '--eval', script])
  rmSync(dir, { recursive: true })
  assert.equal(child.stderr.toString(), '')
  assert.equal(child.stdout.toString().trim(), '0')
})

test('a directory that cannot be created is refused at once', () => {
  const script = `
    import { openSource } from './src/source/open.ts'
    await openSource('embedded:/proc/nope/log', { log() {} }).catch(({ code, message }) => console.log(code, message))
  `
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
  const cwd = new URL('../../', import.meta.url)
  // In a separate process, because the failure would be an endless call.
  const { stdout, signal } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8', timeout: 10_000 })
  assert.equal(signal, null)
  assert.match(
    stdout,
    /^broker_unavailable expected a readable and writable directory for the embedded log, got \/proc\/nope\/log: ENOENT/,
  )
})
