import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { nkeys } from '@nats-io/transport-node'
import type { ErrorCode } from '../../src/base/errors.ts'
import { openNats } from '../../src/source/jetstream/source.ts'
import type { NatsSettings } from '../../src/source/settings.ts'
import type { Source } from '../../src/source/source.ts'
import { Authority, type Certificate, opensslMissing } from '../brokers/certificates.ts'
import { type NatsServer, natsAvailable, startNats } from '../brokers/nats.ts'
import { jwtAccount } from '../brokers/nats-jwt.ts'
import { TailCollector } from '../source/collector.ts'
import { until } from '../support/until.ts'

/** Each way in works with the right secret, and a wrong one is refused with a word on what to do; no message repeats a secret. */

const skip = natsAvailable() ?? opensslMissing()
const port = 19_810

type Options = Partial<Parameters<typeof openNats>[0]>

describe('a secured nats-server', skip === undefined ? {} : { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-nats-security-'))
  let authority: Authority
  let loopback: Certificate
  let client: Certificate
  let server: NatsServer | undefined
  let servers = 0
  const sources: Source[] = []
  /** What sources told their operators. */
  const log: string[] = []

  before(() => {
    authority = new Authority(dir, 'authority')
    loopback = authority.issue({ name: 'server', for: 'IP:127.0.0.1,DNS:localhost' })
    client = authority.issue({ name: 'carillon' })
  })

  afterEach(async () => {
    await Promise.all(sources.splice(0).map((source) => source.close()))
    await server?.kill()
  })

  after(() => rmSync(dir, { recursive: true, force: true }))

  async function serve(config: string, plain = false): Promise<void> {
    server = await startNats({ port, dir: join(dir, `server-${servers++}`), config, plain })
  }

  function file(name: string, text: string): string {
    const path = join(dir, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }

  async function open(options: Options): Promise<Source> {
    const quick = { askTimeoutMs: 1000, requestTimeoutMs: 500 }
    const source = await openNats(
      { servers: [`127.0.0.1:${port}`], ...quick, ...options },
      { log: (_, text) => log.push(text) },
    )
    sources.push(source)
    return source
  }

  /** Creates, writes and reads. */
  async function works(options: Options): Promise<void> {
    const source = await open(options)
    const name = `secured-${sources.length}`
    await source.create(name, 1)
    const stream = (await source.describe(name))!
    const collector = new TailCollector()
    source.tail(stream, [1], collector)
    await source.publish(stream, [{ partition: 0, key: null, value: Buffer.from('in') }])
    await until('the record is shown', 10_000, () => collector.values().includes('in'))
  }

  async function refused(options: Options, message: RegExp, code: ErrorCode = 'broker_unavailable'): Promise<void> {
    const source = await open(options)
    await assert.rejects(source.describe('secured'), (error: Error & { code?: string }) => {
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /s3cret|SU[A-Z0-9]{50}/)
      return true
    })
  }

  test('asks for a user and the password in a file', async () => {
    await serve('authorization { user: alice, password: "s3cret word" }\n')
    const passwordFile = file('password', 's3cret word\n')
    await works({ user: 'alice', passwordFile })
    const wrong = file('wrong', 's3cret')
    await refused(
      { user: 'alice', passwordFile: wrong },
      /refused the user "alice" and the password in nats\.passwordFile/,
    )
    await refused({}, /refused a connection without credentials: set nats\.user and nats\.passwordFile/)
  })

  test('asks for a token', async () => {
    await serve('authorization { token: "s3cret-token" }\n')
    await works({ tokenFile: file('token', 's3cret-token') })
    await refused(
      { tokenFile: file('other-token', 's3cret') },
      /refused the token in nats\.tokenFile \(.*other-token\)/,
    )
  })

  test('asks for an NKey', async () => {
    const user = nkeys.createUser()
    await serve(`authorization { users: [ { nkey: ${user.getPublicKey()} } ] }\n`)
    const seed = (pair: typeof user) => Buffer.from(pair.getSeed()).toString('latin1')
    await works({ nkeyFile: file('nkey', `${seed(user)}\n`) })
    await refused({ nkeyFile: file('other-nkey', seed(nkeys.createUser())) }, /refused the seed in nats\.nkeyFile/)
  })

  test("asks for a user's JWT", async () => {
    const { config, credentials } = jwtAccount()
    await serve(config)
    await works({ credentialsFile: file('user.creds', credentials) })
    const other = file('other.creds', jwtAccount().credentials)
    await refused({ credentialsFile: other }, /refused nats\.credentialsFile \(.*other\.creds\)/)
  })

  test('by TLS, with an authority of its own and a certificate of ours', async () => {
    const tls = `cert_file: "${loopback.cert}", key_file: "${loopback.key}", ca_file: "${authority.cert}"`
    await serve(`tls { ${tls}, verify: true }\n`)
    const caFile = authority.cert
    await works({ tls: { caFile, certFile: client.cert, keyFile: client.key } })
    await refused({ tls: true }, /certificate is not signed by the system's authorities.*nats\.tls\.caFile/)
    await refused({}, /certificate is not signed by the system's authorities.*nats\.tls\.caFile/)
    const other = new Authority(dir, 'other').cert
    await refused({ tls: { caFile: other } }, /is not signed by .*other\.pem/)
    await refused({ tls: { caFile } }, /./)
  })

  test('whose certificate is for another host is refused', async () => {
    const elsewhere = authority.issue({ name: 'elsewhere', for: 'DNS:elsewhere.example' })
    await serve(`tls { cert_file: "${elsewhere.cert}", key_file: "${elsewhere.key}" }\n`)
    await refused({ tls: { caFile: authority.cert } }, /certificate is not signed by.*elsewhere\.example/)
  })

  test('without TLS where it was expected is refused', async () => {
    await serve('')
    await refused({ tls: true }, /expected a server with TLS, got one without: use nats:\/\//)
  })

  test('without JetStream is named', async () => {
    await serve('', true)
    await refused({}, /JetStream does not answer: it is off \(start nats-server with -js/)
  })

  test('that lets us read but not write says so, and reading goes on', async () => {
    const allowed =
      '"$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.MSG.GET.*", "$JS.API.CONSUMER.>", "$JS.FC.>"'
    const reader = `{ user: bob, password: bob, permissions: { publish: [${allowed}], subscribe: "_INBOX.>" } }`
    await serve(
      `authorization { users: [ ${reader}, { user: eve, password: eve, permissions: { publish: "none" } } ] }\n`,
    )
    const source = await open({ user: 'bob', passwordFile: file('bob', 'bob') })
    await source.create('secured', 1)
    const stream = (await source.describe('secured'))!
    const collector = new TailCollector()
    source.tail(stream, [1], collector)
    await until('the tail is up', 10_000, () => collector.states.at(-1) === 'up')
    const writing = source.publish(stream, [{ partition: 0, key: null, value: null }])
    await assert.rejects(writing, {
      code: 'publish_forbidden',
      message: /may not publish to "secured\.0\._": allow it/,
    })
    await refused(
      { user: 'eve', passwordFile: file('eve', 'eve') },
      /may not publish to "\$JS\.API\.STREAM\.INFO\.secured-0"/,
      'stream_unusable',
    )
  })

  test('that lets us create no consumer, or not answer flow control, is told as long as it does not', async () => {
    const mayAsk = '"$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*"'
    const user = (name: string, publish: string) =>
      `{ user: ${name}, password: ${name}, permissions: { publish: [${publish}], subscribe: "_INBOX.>" } }`
    const mayRead = `${mayAsk}, "$JS.API.CONSUMER.>"`
    const users = [
      '{ user: root, password: root }',
      user('blind', mayAsk),
      user('slow', mayRead),
      user('seeing', `${mayRead}, "$JS.FC.>"`),
    ]
    await serve(`authorization { users: [ ${users.join(', ')} ] }\n`)
    const openAs = (name: string) => open({ user: name, passwordFile: file(name, name) })
    const root = await openAs('root')
    await root.create('secured', 1)
    const stream = (await root.describe('secured'))!
    const value = Buffer.alloc(100_000)
    for (let i = 0; i < 4; i++) {
      await root.publish(
        stream,
        Array.from({ length: 20 }, () => ({ partition: 0, key: null, value })),
      )
    }
    const tailAs = async (name: string) => {
      const collector = new TailCollector()
      ;(await openAs(name)).tail(stream, [1], collector)
      return collector
    }
    const blind = await tailAs('blind')
    const slow = await tailAs('slow')
    const seeing = await tailAs('seeing')
    const says = (collector: TailCollector, state: string, detail: RegExp) =>
      until(`it is ${state}`, 20_000, () => collector.states.at(-1) === state && detail.test(collector.detail))
    await says(blind, 'away', /may not publish to "\$JS\.API\.CONSUMER\.CREATE\.secured-0\.>": allow it/)
    await says(slow, 'up', /may not publish to "\$JS\.FC\.secured-0\.>": allow it/)
    await says(seeing, 'up', /^$/)
    assert.deepEqual(blind.records, [])
    // In the same words each time that it is tried, so told once.
    assert.deepEqual(blind.states, ['away'])
    for (const denied of ['CONSUMER.CREATE', '$JS.FC']) {
      assert.equal(log.filter((each) => each.includes(denied)).length, 1, log.join('; '))
    }
    const { consumerProblem } = (await (await openAs('blind')).settings!(stream)) as NatsSettings
    assert.match(consumerProblem!, /may not publish to "\$JS\.API\.CONSUMER\.CREATE/)
  })

  test('that lets us listen nowhere is named', async () => {
    const mute = '{ user: dan, password: dan, permissions: { publish: ">", subscribe: "none" } }'
    await serve(`authorization { users: [ ${mute} ] }\n`)
    await refused(
      { user: 'dan', passwordFile: file('dan', 'dan') },
      /may not subscribe to "_INBOX\..*": allow it/,
      'stream_unusable',
    )
  })

  test('that is older than what is needed is named', async () => {
    const old = createServer((socket) => {
      socket.write('INFO {"server_id":"x","version":"2.9.25","proto":1,"headers":true,"max_payload":1048576}\r\n')
      socket.on('data', (data) => data.includes('PING') && socket.write('PONG\r\n')).on('error', () => {})
    }).listen(port, '127.0.0.1')
    try {
      await refused({}, /expected nats-server 2\.10 or later, got 2\.9\.25; upgrade it/)
    } finally {
      await Promise.all(sources.splice(0).map((source) => source.close()))
      old.close()
    }
  })

  test('is not asked with files that are missing or hold something else', async () => {
    const failing = async (options: Options, message: RegExp) => {
      await assert.rejects(openNats({ servers: ['h:1'], ...options }, { log: () => {} }), {
        code: 'bad_request',
        message,
      })
    }
    const missing = join(dir, 'missing')
    await failing({ user: 'a', passwordFile: missing }, /nats\.passwordFile: expected a readable file, got .*missing/)
    await failing({ user: 'a' }, /nats\.passwordFile: expected a file with the password beside user/)
    await failing({ tokenFile: file('empty', '\n') }, /nats\.tokenFile: expected one line in .*empty, found none/)
    await failing(
      { nkeyFile: file('odd', 's3cret') },
      /nats\.nkeyFile: expected an NKey's seed \(SU…\) in .*odd, found none$/,
    )
    await failing({ credentialsFile: file('odd', 's3cret') }, /nats\.credentialsFile: expected a user's JWT and seed/)
    await failing({ tls: { caFile: missing } }, /nats\.tls\.caFile: expected a readable file/)
    await failing({ tls: { certFile: client.cert } }, /expected certFile and keyFile together/)
    await failing(
      { tokenFile: missing, nkeyFile: missing },
      /expected one kind of credentials, got tokenFile and nkeyFile/,
    )
  })

  test('that is away at the start is waited for', async () => {
    const source = await open({ askTimeoutMs: 15_000 })
    const found = source.describe('later')
    await serve('')
    assert.equal(await found, undefined)
  })
})
