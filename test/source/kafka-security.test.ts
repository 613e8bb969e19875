import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { CarillonError } from '../../src/base/errors.ts'
import { connectionProblem, isRefusal, strangeAnswer } from '../../src/source/kafka/connection-problem.ts'
import { answerProblem, type Operation } from '../../src/source/kafka/grants.ts'
import { refusal } from '../../src/source/kafka/leader-calls.ts'
import { kafkaDefaults, securityDefaults } from '../../src/source/kafka/options.ts'
import { code, KafkaAnswerError } from '../../src/source/kafka/protocol-errors.ts'
import { readSecurity, type SecurityOptions } from '../../src/source/kafka/security.ts'
import { openKafka } from '../../src/source/kafka/source.ts'
import { TailHealth } from '../../src/source/tail-health.ts'

const dir = mkdtempSync(join(tmpdir(), 'carillon-security-'))
after(() => rmSync(dir, { recursive: true }))

const file = (name: string, content: string) => {
  const path = join(dir, name)
  writeFileSync(path, content)
  return path
}
const options = ({ tls, sasl }: { tls?: object; sasl?: object }): SecurityOptions => {
  return { tls: { ...securityDefaults.tls, ...tls }, sasl: { ...sasl } }
}
const alice = (password: string) => {
  return options({ sasl: { mechanism: 'plain', username: 'alice', passwordFile: file('password', password) } })
}

test('without options, a connection is plaintext', () => {
  assert.deepEqual(readSecurity(securityDefaults), { tls: undefined, sasl: undefined })
})

test('the password is the content of its file without the line end, read again each time', () => {
  assert.equal(readSecurity(alice('pass word=1,\n')).sasl?.password, 'pass word=1,')
  const given = alice('old')
  file('password', 'new\r\n')
  assert.equal(readSecurity(given).sasl?.password, 'new')
  assert.equal(readSecurity(alice(' a\t')).sasl?.password, ' a\t')
})

test('an unusable password file is named, without its content', () => {
  const none = options({ sasl: { mechanism: 'plain', username: 'a', passwordFile: join(dir, 'none') } })
  assert.throws(() => readSecurity(none), { option: 'sasl.passwordFile', message: /none": ENOENT/ })
  assert.throws(() => readSecurity(alice('')), { option: 'sasl.passwordFile', message: /it is empty/ })
  assert.throws(
    () => readSecurity(alice('secret\nsecret\n')),
    (error: Error) => {
      return /more than one line/.test(error.message) && !error.message.includes('secret')
    },
  )
})

test('an option that requires a missing one names it', () => {
  const lacking: readonly (readonly [object, string, RegExp])[] = [
    [{ tls: { caFile: 'ca.pem' } }, 'tls.caFile', /kafka\.tls\.enabled/],
    [{ tls: { enabled: true, certFile: 'c.pem' } }, 'tls.certFile', /kafka\.tls\.keyFile/],
    [{ tls: { enabled: true, keyFile: 'k.pem' } }, 'tls.keyFile', /kafka\.tls\.certFile/],
    [{ sasl: { username: 'a' } }, 'sasl.username', /kafka\.sasl\.mechanism/],
    [{ sasl: { passwordFile: 'p' } }, 'sasl.passwordFile', /kafka\.sasl\.mechanism/],
    [{ sasl: { mechanism: 'plain' } }, 'sasl.mechanism', /kafka\.sasl\.username/],
    [{ sasl: { mechanism: 'plain', username: 'a' } }, 'sasl.mechanism', /kafka\.sasl\.passwordFile/],
  ]
  for (const [given, option, message] of lacking) {
    assert.throws(() => readSecurity(options(given)), { option, message }, JSON.stringify(given))
  }
})

test('a file without a certificate or key is refused when it is read', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = file('key.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  const tls = (more: object) => options({ tls: { enabled: true, ...more } })
  assert.throws(() => readSecurity(tls({ caFile: key })), {
    option: 'tls.caFile',
    message: /key\.pem": it contains none/,
  })
  const pair = { certFile: key, keyFile: key }
  assert.throws(() => readSecurity(tls(pair)), { option: 'tls.certFile', message: /PEM file with a certificate, got/ })
})

test('a password in cleartext causes one warning, and only if others may listen', async () => {
  const logged = async (broker: string, security: SecurityOptions) => {
    const lines: string[] = []
    const source = await openKafka({ brokers: [broker], ...security }, { log: (_, line) => void lines.push(line) })
    await source.close()
    return lines
  }
  const [line, ...more] = await logged('kafka.example:9092', alice('secret'))
  assert.match(line!, /^kafka\.sasl without kafka\.tls\.enabled .*\(PLAIN\).* in the clear to kafka\.example$/)
  assert.deepEqual(more, [])
  assert.deepEqual(await logged('127.0.0.1:9092', alice('secret')), [])
  assert.deepEqual(await logged('kafka.example:9092', { ...alice('secret'), tls: { enabled: true } }), [])
  assert.deepEqual(await logged('kafka.example:9092', securityDefaults), [])
})

test('the first bytes of an answer distinguish a Kafka broker from other servers', () => {
  assert.equal(strangeAnswer(Buffer.from([0, 0, 1, 0x85])), undefined)
  assert.equal(strangeAnswer(Buffer.from([0, 0])), undefined)
  assert.equal(strangeAnswer(Buffer.from([0, 0x10, 0, 0x4a, 0, 0, 0, 0])), undefined, "a fetch's answer over 1 MiB")
  assert.equal(strangeAnswer(Buffer.from([0x0f, 0xff, 0xff, 0xff])), undefined)
  assert.match(strangeAnswer(Buffer.from([0x15, 3, 3, 0, 2, 2, 0x50]))!, /uses TLS/)
  assert.match(
    strangeAnswer(Buffer.from('HTTP/1.1 400 Bad Request\r\nX: y'))!,
    /an HTTP server.*"HTTP\/1\.1 400 Bad Request"$/,
  )
  assert.match(strangeAnswer(Buffer.from('220 mail\x1b[2J ready'))!, /something else.*220 mail\\\\u001b/)
})

const failure = (message: string, more: object = {}) => Object.assign(new Error(message), more)

test('a closed connection has different meanings before, at and after the first request', () => {
  const error = failure('Closed connection')
  assert.match(connectionProblem(error, 'opening', securityDefaults), /kafka\.tls\.enabled/)
  assert.match(connectionProblem(error, 'first request', securityDefaults), /kafka\.sasl/)
  assert.equal(connectionProblem(error, 'later', securityDefaults), 'it closed the connection')
})

test('an unknown error keeps its message', () => {
  const refused = failure('Connection error: connect ECONNREFUSED 127.0.0.1:1', { code: 'ECONNREFUSED' })
  assert.equal(connectionProblem(refused, 'opening', securityDefaults), 'connect ECONNREFUSED 127.0.0.1:1')
  // The error of Node if a name has several addresses.
  const several = failure('Connection error: ', { code: 'ECONNREFUSED' })
  assert.equal(connectionProblem(several, 'opening', securityDefaults), 'ECONNREFUSED')
})

test('only a refusal of the credentials delays the next attempt', () => {
  const name = 'KafkaJSSASLAuthenticationError'
  const refused = failure('SASL PLAIN authentication failed: Authentication failed: Invalid', { name })
  assert.equal(isRefusal(refused), true)
  assert.equal(isRefusal(failure('SASL PLAIN authentication failed: Closed connection', { name })), false)
  assert.equal(isRefusal(failure('connect ECONNREFUSED')), false)
  const said = connectionProblem(refused, 'opening', alice('secret'))
  assert.match(said, /user "alice" by PLAIN.*password\); it said: Authentication failed: Invalid$/)
  assert.doesNotMatch(said, /secret/)
})

test('a missing ACL is reported with the command that adds it, for the principal that the broker sees', () => {
  const told = (security: SecurityOptions, operation: 'Read' | 'Write', topic = 'alarms') => {
    return answerProblem(code.topicAuthorizationFailed, { operation, topic }, { brokers: ['h:1'], ...security })
  }
  const command = 'kafka-acls.sh --bootstrap-server h:1 --add --allow-principal'
  assert.equal(
    told(alice('secret'), 'Read'),
    `User:alice may not Read topic alarms; grant it: ${command} User:alice --operation Read --topic alarms (TOPIC_AUTHORIZATION_FAILED)`,
  )
  assert.match(told(securityDefaults, 'Write', "a'b"), /User:ANONYMOUS may not Write .* --topic 'a'\\''b' /)
  const byCertificate = options({ tls: { enabled: true, certFile: 'me.pem', keyFile: 'me.key' } })
  assert.match(told(byCertificate, 'Read'), /^the principal of me\.pem may not Read/)
})

test('a permanent error is not an outage', () => {
  const attempt = { operation: 'Create', topic: 't' } as const
  const told = (error: number, operation: Operation = 'Create') => {
    const thrown = refusal(
      new KafkaAnswerError(error, ''),
      { ...attempt, operation },
      { ...kafkaDefaults, brokers: [] },
    )
    return (thrown as CarillonError).code
  }
  for (const error of [17, 29, 31, 32, 35, 37, 38, 39, 40, 42, 43, 44, 87]) assert.equal(told(error), 'stream_unusable')
  for (const error of [-1, 3, 5, 6, 7, 9, 19, 20, 41, 56, 74, 89]) assert.equal(told(error), 'broker_unavailable')
  assert.deepEqual(
    [told(29, 'Write'), told(10, 'Write'), told(18, 'Write')],
    ['publish_forbidden', 'event_too_large', 'event_too_large'],
  )
})

test('of several partitions that fail one speaks, until it is read, and only news are told', () => {
  const told: string[] = []
  const health = new TailHealth(100, (state, detail) => told.push(`${state} ${detail}`.trim()))
  health.found([0, 1], 0)
  health.failed(0, 50, 'early')
  health.failed(0, 100, 'a')
  health.failed(1, 101, 'b')
  health.failed(0, 102, 'a')
  health.failed(0, 103, 'c')
  health.read(0)
  health.failed(1, 104, 'b')
  health.read(1)
  assert.deepEqual(told, ['away a', 'away c', 'away b', 'up'])
})
