import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Config } from '../../src/config/config.ts'
import { type ConfigInput, loadConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/config/mistakes.ts'
import { options } from '../../src/config/options.ts'
import { jsonSchema } from '../../src/config/schema.ts'
import { streamFormatDefaults } from '../../src/wire/stream-format.ts'
import { hashOf } from '../../src/wire/token.ts'

const folder = mkdtempSync(join(tmpdir(), 'carillon-config-'))
after(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const load = (input: Partial<ConfigInput>): Config => loadConfig({ flags: {}, env: {}, ...input }).config

function mistakes(input: Partial<ConfigInput>): readonly string[] {
  try {
    load(input)
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes
    throw error
  }
  return []
}

test('without any input, everything has its default', () => {
  const config = load({})
  assert.equal(config.broker, 'embedded:.carillon/dev')
  assert.equal(config.listen, '127.0.0.1:8080')
  assert.equal(config.dev, false)
  assert.deepEqual(config.streams, {
    events: { topic: 'carillon', partitions: 4, layout: 'family', ...streamFormatDefaults },
  })
  assert.deepEqual(config.routes, [{ subjects: '>', stream: 'events' }])
  assert.equal(config.limits.maxSubscriptions, 1000)
})

test('a flag overrides a variable, the file and the default, in this order; each origin is reported', () => {
  const yaml = file(
    'order.yaml',
    'broker: embedded:file\nlisten: 127.0.0.1:1\nlimits:\n  maxSessions: 1\n  bodyMs: 111\n',
  )
  const { config, origins } = loadConfig({
    flags: { broker: 'embedded:flag' },
    env: { CARILLON_BROKER: 'embedded:env', CARILLON_LIMITS_MAX_SESSIONS: '2' },
    file: yaml,
  })
  assert.equal(config.broker, 'embedded:flag')
  assert.equal(config.limits.maxSessions, 2)
  assert.equal(config.limits.bodyMs, 111)
  assert.equal(config.listen, '127.0.0.1:1')
  assert.deepEqual(Object.fromEntries(origins), {
    broker: 'flag --broker',
    listen: `${yaml}: listen`,
    'limits.maxSessions': 'CARILLON_LIMITS_MAX_SESSIONS',
    'limits.bodyMs': `${yaml}: limits.bodyMs`,
  })
})

test('CARILLON_CONFIG names the file, unless --config does', () => {
  const one = file('one.json', '{"drainMs": 1}')
  const two = file('two.yaml', 'drainMs: 2')
  assert.equal(load({ env: { CARILLON_CONFIG: one } }).drainMs, 1)
  assert.equal(load({ env: { CARILLON_CONFIG: one }, file: two }).drainMs, 2)
})

test('an empty file sets nothing', () => {
  assert.deepEqual(load({ file: file('empty.yaml', '# nothing yet\n') }), load({}))
})

test('every scalar option can be set by its flag and by its variable', () => {
  const samples = { number: '4096', switch: 'true', list: 'https://a.example,https://b.example', text: '127.0.0.1:9' }
  const special: Readonly<Record<string, string>> = {
    broker: 'embedded:x',
    logLevel: 'debug',
    logFormat: 'text',
    'embedded.retentionBytes': '1048576',
    'readBack.chunkBytes': '65536',
    'readBack.concurrency': '7',
    'kafka.busyPauseMs': '7',
    'nats.domain': 'hub',
    'nats.replicas': '3',
  }
  for (const { path, variable, kind } of options) {
    // Security options depend on each other; tested below.
    if (kind === 'structure' || /^(tls|kafka\.(tls|sasl)\.|nats\.(user|passwordFile))/.test(path)) continue
    const text = special[path] ?? samples[kind]
    assert.deepEqual(mistakes({ env: { [variable]: text } }), [], variable)
    assert.deepEqual(mistakes({ flags: { [path]: text } }), [], path)
  }
  assert.deepEqual(
    options
      .filter(({ path }) => /maxSessions|windowMiB|tlsCert/.test(path))
      .map(({ flag, variable }) => [flag, variable]),
    [
      ['--tls-cert', 'CARILLON_TLS_CERT'],
      ['--window-window-mib', 'CARILLON_WINDOW_WINDOW_MIB'],
      ['--limits-max-sessions', 'CARILLON_LIMITS_MAX_SESSIONS'],
    ],
  )
})

test('every option has a unique name and a description', () => {
  for (const key of ['path', 'flag', 'variable'] as const) {
    assert.equal(new Set(options.map((option) => option[key])).size, options.length)
  }
  assert.deepEqual(
    options.filter(({ description }) => description === '').map(({ path }) => path),
    [],
  )
})

test('all mistakes are reported at once, each in the form used', () => {
  const yaml = file('wrong.yaml', 'limits:\n  maxSessions: 0\nlogLevel: loud\nkafka: 3\n')
  assert.deepEqual(
    [...mistakes({ file: yaml, env: { CARILLON_HEARTBEAT_MS: 'soon' }, flags: { admin: 'nowhere' } })].sort(),
    [
      `${yaml}: kafka: expected a mapping, got 3`,
      `${yaml}: limits.maxSessions: expected a whole number from 1 to 10000000, got 0 (sessions open at the same time)`,
      `${yaml}: logLevel: expected one of debug, info, warn, error, got "loud" (minimum level to log)`,
      '--admin: expected HOST:PORT such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080, got "nowhere" (HOST:PORT for health, metrics and the admin API)',
      `CARILLON_HEARTBEAT_MS: expected a whole number from 4000 to 900000, got "soon" (silence after which a client is pinged; keep it below the load balancer's idle timeout)`,
    ].sort(),
  )
})

test('an unknown key or variable is a mistake, and the nearest name is suggested', () => {
  const yaml = file('unknown.yaml', 'brokr: embedded:x\nlimits:\n  maxSesions: 3\n')
  assert.deepEqual(
    [...mistakes({ file: yaml, env: { CARILLON_LISTN: '127.0.0.1:1', CARILLON_ZZZZZZZZZZZZ: '' } })].sort(),
    [
      `${yaml}: brokr: no such option; did you mean broker?`,
      `${yaml}: limits.maxSesions: no such option; did you mean limits.maxSessions?`,
      'CARILLON_LISTN: no such option; did you mean CARILLON_LISTEN?',
      'CARILLON_ZZZZZZZZZZZZ: no such option',
    ].sort(),
  )
})

test('variables of other programs are ignored', () => {
  assert.deepEqual(mistakes({ env: { CARILLON_NODE_OPTIONS: '--x', PATH: '/bin' } }), [])
})

test('a file that is missing, malformed or not a mapping is named', () => {
  assert.match(
    mistakes({ file: join(folder, 'nope.yaml') })[0]!,
    /nope\.yaml: expected a readable YAML or JSON file: ENOENT/,
  )
  const broken = mistakes({ file: file('broken.yaml', 'a: [') })
  assert.equal(broken.length, 1)
  assert.match(broken[0]!, /^--config .*broken\.yaml: expected a readable YAML or JSON file: [^\n]*$/)
  assert.match(
    mistakes({ file: file('list.yaml', '- a') })[0]!,
    /expected a mapping of options at the top, got \["a"\]/,
  )
})

test('the try-it page is for loopback listeners only', () => {
  const message = mistakes({ flags: { dev: true, listen: '0.0.0.0:8080' } })
  assert.match(message[0]!, /^--listen: expected a loopback address with dev/)
  for (const listen of ['127.0.0.1:80', '[::1]:80', 'localhost:80']) {
    assert.deepEqual(mistakes({ flags: { dev: true, listen } }), [])
  }
})

test('routes name existing streams and do not overlap', () => {
  const by = { hash: 'java' }
  const routes = [
    { subjects: 'a.>', stream: 'events', by },
    { subjects: 'a.b', stream: 'other', by },
  ]
  const found = mistakes({ env: { CARILLON_ROUTES: JSON.stringify(routes) } })
  assert.equal(found.length, 2)
  assert.match(found[0]!, /^CARILLON_ROUTES\.1\.stream: expected one of the streams events, got "other"/)
  assert.match(found[1]!, /^CARILLON_ROUTES: .*overlap: both match "a\.b"/)
})

test('a raw stream has no routes by first tokens, and a route needs subjects', () => {
  const streams = { events: { topic: 'orders', format: 'raw' } }
  const of = (...routes: object[]) => {
    const env = { CARILLON_STREAMS: JSON.stringify(streams), CARILLON_ROUTES: JSON.stringify(routes) }
    return mistakes({ env })
  }
  const route = { subject: 'orders.{key}', stream: 'events' }
  assert.match(
    of({ ...route, by: { hash: 'java', tokens: 2 } })[0]!,
    /ROUTES\.0\.by: expected no tokens for the raw stream/,
  )
  assert.match(of({ stream: 'events', by: { hash: 'java' } })[0]!, /ROUTES\.0: expected subjects .* got neither/)
  assert.match(of({ ...route, subject: 'orders', by: { hash: 'java' } })[0]!, /expected by: any, or no by/)
  assert.match(of({ ...route, subject: '{id}' })[0]!, /expected \{key\}.*got "\{id\}"/)
})

test('only raw streams have composed subjects', () => {
  const of = (format: string) => {
    const env = {
      CARILLON_STREAMS: JSON.stringify({ events: { topic: 'orders', format } }),
      CARILLON_ROUTES: JSON.stringify([{ subject: 'orders.{json:id}', stream: 'events' }]),
    }
    return mistakes({ env })
  }
  assert.deepEqual(of('raw'), [])
  assert.match(of('event')[0]!, /ROUTES\.0\.subject: expected \{key\} in the subject of the event stream events/)
})

test('an invalid stream setting is reported with the valid ones', () => {
  const of = (fields: object) =>
    mistakes({ env: { CARILLON_STREAMS: JSON.stringify({ events: { topic: 't', ...fields } }) } })[0]!
  assert.match(
    of({ format: 'json' }),
    /streams\.events\.format|STREAMS\.events\.format: expected one of event, raw, cloudevents, got "json"/,
  )
  assert.match(of({ framing: 'avro' }), /expected one of none, confluent, got "avro"/)
  assert.match(of({ contentType: 'json' }), /expected a media type such as application\/json.*got "json"/)
  assert.match(of({ headers: 'some' }), /expected all, none, or a list of header names.*got "some"/)
})

test('a JetStream stream of layout single has one partition, routes without tokens, and a NATS server', () => {
  const of = (broker: string, stream: object, by: object = { hash: 'java' }) =>
    mistakes({
      env: {
        CARILLON_BROKER: broker,
        CARILLON_STREAMS: JSON.stringify({ orders: { topic: 'ORDERS', layout: 'single', ...stream } }),
        CARILLON_ROUTES: JSON.stringify([{ subjects: '>', stream: 'orders', by }]),
      },
    })
  const nats = 'nats://h'
  assert.deepEqual(of(nats, { partitions: 1 }), [])
  assert.match(of(nats, {})[0]!, /STREAMS\.orders\.partitions: expected 1 for layout single.*got 4: say partitions: 1/)
  assert.match(of('kafka://h', { partitions: 1 })[0]!, /STREAMS\.orders\.layout: expected no layout beside a broker/)
  assert.match(
    of(nats, { partitions: 1 }, { hash: 'nats', tokens: 1 })[0]!,
    /ROUTES\.0\.by: expected no tokens for orders, whose layout is single, got 1/,
  )
})

test('a route with an unknown rule is reported with the known rules', () => {
  const routes = [{ subjects: '>', stream: 'events', by: { hash: 'md5' } }]
  const found = mistakes({ env: { CARILLON_ROUTES: JSON.stringify(routes) } })
  assert.match(
    found[0]!,
    /^CARILLON_ROUTES\.0\.by: expected any, \{hash: java or librdkafka or sarama or nats or nats-subject.*got \{"hash":"md5"\}/,
  )
})

test('a topic belongs to one stream', () => {
  const streams = { a: { topic: 'one' }, b: { topic: 'two' }, c: { topic: 'one' } }
  const routes = [{ subjects: '>', stream: 'a', by: { hash: 'java' } }]
  const env = { CARILLON_STREAMS: JSON.stringify(streams), CARILLON_ROUTES: JSON.stringify(routes) }
  assert.deepEqual(mistakes({ env }), [
    'CARILLON_STREAMS.c.topic: expected a topic that no other stream has, got "one", which is the topic of a: let the routes name a instead',
  ])
})

test('stream names differ in the hash that tokens use', () => {
  const [one, other] = ['inventory-incidents-dev', 'votes-likes-prod'] as const
  assert.equal(hashOf(one), hashOf(other))
  const streams = { [one]: { topic: 'a' }, alarms: { topic: 'b' }, inventory: { topic: 'c' }, [other]: { topic: 'd' } }
  const routes = [{ subjects: '>', stream: 'alarms', by: { hash: 'java' } }]
  const env = { CARILLON_STREAMS: JSON.stringify(streams), CARILLON_ROUTES: JSON.stringify(routes) }
  assert.deepEqual(mistakes({ env }), [
    `CARILLON_STREAMS.${other}: expected names whose 32-bit hashes in tokens differ, and "${other}" has the same one as "${one}": rename either of the two streams, and in its routes; its topic stays`,
  ])
})

test('conflicts are reported together with values that are invalid by themselves', () => {
  const wrong = { logLevel: 'loud', brokr: 'x' }
  const conflicting = { dev: true, listen: '0.0.0.0:80', streams: { a: { topic: 't' }, b: { topic: 't' } } }
  const found = mistakes({
    file: file('both.json', JSON.stringify({ ...wrong, ...conflicting, window: { windowMiB: 1 } })),
  })
  const about = found.flatMap((text) => text.split('\n')).map((line) => line.split(': ')[1])
  assert.deepEqual(about.sort(), [
    'brokr',
    'listen',
    'logLevel',
    'routes.0.stream',
    'streams.b.topic',
    'window.windowMiB',
  ])
})

test('options that depend on an invalid one are not reported as conflicts', () => {
  const found = mistakes({
    flags: { 'window.windowMiB': '1', 'limits.maxEventBytes': 'many', dev: true, listen: 'x' },
  })
  assert.deepEqual(found.map((text) => text.split(':')[0]).sort(), ['--limits-max-event-bytes', '--listen'])
})

test('a number in place of options is reported, even if a variable sets one of them', () => {
  const yaml = file('number.yaml', 'limits: 3\nkafka: [1]\n')
  const env = { CARILLON_LIMITS_MAX_SESSIONS: '7', CARILLON_KAFKA_TLS_ENABLED: 'true' }
  assert.deepEqual([...mistakes({ file: yaml, env })].sort(), [
    `${yaml}: kafka: expected a mapping, got [1]`,
    `${yaml}: limits: expected a mapping, got 3`,
  ])
})

test('a file of another format is quoted briefly, without characters that control a terminal', () => {
  for (const content of [
    '\u009b31m'.repeat(10_000),
    `{"a": ${'x'.repeat(5000)}`,
    `x: 1\n${'\u009b'.repeat(5000)}: [`,
  ]) {
    const found = mistakes({ file: file('binary', content) }).join('\n')
    assert.ok(found.length < 500, found.slice(0, 600))
    // biome-ignore lint/suspicious/noControlCharactersInRegex: asserts their absence
    assert.doesNotMatch(found, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  }
})

test('a listener given as a URL is refused, with the part to leave out', () => {
  const [found] = mistakes({ flags: { admin: 'http://127.0.0.1:8081' } })
  assert.match(found!, /got "http:\/\/127\.0\.0\.1:8081": leave out the scheme and the path/)
})

test('each partition has room for two of the slabs into which the largest events fit', () => {
  const [found, ...others] = mistakes({ flags: { 'window.windowMiB': '7' } })
  assert.match(
    found!,
    /^--window-window-mib: expected at least 8 MiB, two slabs of 1024 KiB .* each of 4 partitions, got 7/,
  )
  assert.deepEqual(others, [])
  assert.deepEqual(mistakes({ flags: { 'window.windowMiB': '8' } }), [])
  const streams = JSON.stringify({ events: { topic: 't', partitions: 200 } })
  const ranges = { 'window.indexMiB': '14', 'window.windowMiB': '399', streams }
  assert.equal(mistakes({ flags: ranges }).length, 2)
})

test('TLS needs a certificate and its own key, both readable', () => {
  const [cert, key, otherKey] = ['cert.pem', 'key.pem', 'other.pem'].map((name) => join(folder, name))
  const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  const subject = ['-subj', '/CN=localhost']
  execFileSync('openssl', [...make, ...subject, '-keyout', key!, '-out', cert!], { stdio: 'ignore' })
  execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', otherKey!], {
    stdio: 'ignore',
  })
  assert.deepEqual(mistakes({ flags: { tlsCert: cert!, tlsKey: key! } }), [])
  assert.match(mistakes({ flags: { tlsCert: cert! } })[0]!, /^tlsKey: expected a PEM file beside tlsCert/)
  assert.match(mistakes({ flags: { tlsKey: key! } })[0]!, /^tlsCert: expected a PEM file beside tlsKey/)
  assert.match(
    mistakes({ flags: { tlsCert: cert!, tlsKey: otherKey! } })[0]!,
    /^--tls-key: expected the private key of/,
  )
  assert.match(mistakes({ flags: { tlsCert: key!, tlsKey: key! } })[0]!, /^--tls-cert: expected a readable PEM file/)
  const missing = mistakes({ flags: { tlsCert: '/nope', tlsKey: '/nope' } })
  assert.deepEqual(
    missing.map((text) => text.split(':')[0]),
    ['--tls-cert', '--tls-key'],
  )
})

test('Kafka credentials can be set by file, variable and flag, and their files are read at once', () => {
  const passwordFile = file('password', 'secret\n')
  const yaml = file(
    'sasl.yaml',
    `kafka:\n  tls: {enabled: true}\n  sasl: {mechanism: plain, passwordFile: ${passwordFile}}\n`,
  )
  const env = { CARILLON_KAFKA_SASL_USERNAME: 'alice', CARILLON_KAFKA_TLS_SERVER_NAME: 'kafka.example' }
  const { kafka } = load({ file: yaml, env, flags: { 'kafka.sasl.mechanism': 'scram-sha-512' } })
  assert.deepEqual(kafka.tls, { enabled: true, serverName: 'kafka.example' })
  assert.deepEqual(kafka.sasl, { mechanism: 'scram-sha-512', username: 'alice', passwordFile })
  assert.deepEqual(mistakes({ file: yaml }), [
    `${yaml}: kafka.sasl.mechanism: expected kafka.sasl.username as well, got none`,
  ])
  const none = { ...env, CARILLON_KAFKA_SASL_PASSWORD_FILE: '/nope' }
  assert.match(
    mistakes({ file: yaml, env: none })[0]!,
    /^CARILLON_KAFKA_SASL_PASSWORD_FILE: expected a file with the password on one line, got "\/nope": ENOENT/,
  )
  assert.match(
    mistakes({ flags: { 'kafka.tls.caFile': passwordFile } })[0]!,
    /^--kafka-tls-ca-file: expected kafka\.tls\.enabled: true/,
  )
  const notPem = mistakes({ flags: { 'kafka.tls.enabled': true, 'kafka.tls.caFile': passwordFile } })
  assert.match(
    notPem[0]!,
    /^--kafka-tls-ca-file: expected a PEM file with certificates, got ".*password": it contains none$/,
  )
  assert.match(
    mistakes({ env: { CARILLON_KAFKA_SASL_MECHANISM: 'gssapi' } })[0]!,
    /expected one of plain, scram-sha-256, scram-sha-512, got "gssapi"/,
  )
})

test('an invalid broker URL is reported without its password', () => {
  const found = mistakes({ env: { CARILLON_BROKER: 'kafka://user:secret@h:9092' } })
  assert.match(found[0]!, /^CARILLON_BROKER: expected a broker as/)
  assert.doesNotMatch(found[0]!, /secret/)
})

test('the JSON Schema of the file has every option with its default, and requires none', () => {
  interface Schema {
    readonly properties?: Record<string, Schema>
    readonly required?: readonly string[]
    readonly additionalProperties?: unknown
    readonly default?: unknown
  }
  const schema = jsonSchema() as Schema
  assert.equal(schema.additionalProperties, false)
  assert.deepEqual(schema.required ?? [], [])
  for (const { path, default: value } of options) {
    let at: Schema | undefined = schema
    for (const name of path.split('.')) at = at?.properties?.[name]
    assert.ok(at !== undefined, path)
    assert.deepEqual(at.default, value, path)
  }
})
