import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RetentionPolicy } from '@nats-io/jetstream'
import type { ErrorCode } from '../../src/base/errors.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import { openNats } from '../../src/source/jetstream/source.ts'
import type { NatsSettings } from '../../src/source/settings.ts'
import type { OutRecord, Source, StreamInfo, Tail } from '../../src/source/source.ts'
import { type NatsServer, natsAvailable, startNats } from '../brokers/nats.ts'
import { administerNats } from '../brokers/nats-admin.ts'
import { TailCollector } from '../source/collector.ts'
import { until } from '../support/until.ts'

/** What a real JetStream does to its readers and writers, beyond what every broker does (conformance.ts). */

const skip = natsAvailable()
const port = 19_790
const patienceMs = 20_000

const record = (value: string, partition = 0, key = 'key'): OutRecord => ({
  partition,
  key: Buffer.from(key),
  value: Buffer.from(value),
})
const records = (label: string, n: number) => Array.from({ length: n }, (_, i) => record(`${label}${i}`))
const labels = (label: string, n: number) => Array.from({ length: n }, (_, i) => `${label}${i}`)
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe('JetStream', skip === undefined ? {} : { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-nats-facts-'))
  const tails: Tail[] = []
  const sources: Source[] = []
  const log: string[] = []
  let server: NatsServer
  let source: Source
  let names = 0

  before(async () => {
    server = await startNats({ port, dir: join(dir, 'server') })
    source = await open()
  })

  afterEach(async () => {
    await Promise.all(tails.splice(0).map((tail) => tail.close()))
  })

  after(async () => {
    await Promise.all(sources.map((each) => each.close()))
    server?.resume()
    await server?.kill()
    rmSync(dir, { recursive: true, force: true })
  })

  async function open(options: Partial<Parameters<typeof openNats>[0]> = {}): Promise<Source> {
    const context = { log: (_: string, message: string) => log.push(message) }
    const opened = await openNats({ servers: [server.address], publishTimeoutMs: 5000, ...options }, context)
    sources.push(opened)
    return opened
  }

  async function created(partitions = 1): Promise<StreamInfo> {
    const name = `facts-${names++}`
    await source.create(name, partitions)
    return (await source.describe(name))!
  }

  const eventually = <T>(what: string, fact: () => T | Promise<T>) => until(what, patienceMs, fact)

  function tailed(stream: StreamInfo, from: readonly number[], collector = new TailCollector()): TailCollector {
    tails.push(source.tail(stream, from, collector))
    return collector
  }

  const count = (collector: TailCollector, n: number) =>
    eventually(`${n} records are shown`, () => collector.records.length >= n)

  async function rejected(promise: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
    await assert.rejects(promise, (error: { code?: unknown; message: string }) => {
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      return true
    })
  }

  const administer: <T>(run: Parameters<typeof administerNats<T>>[1]) => Promise<T> = (run) =>
    administerNats(server.address, run)

  async function restarted(): Promise<void> {
    await server.kill()
    await server.start()
  }

  test('a server that is killed again and again while it is written to loses no record and repeats none', async () => {
    const stream = await created(2)
    const collector = tailed(stream, [1, 1])
    let writing = true
    const acknowledged: string[] = []
    const write = async (writer: number) => {
      for (let i = 0; writing; i++) {
        const values = [`${writer}.${i}.a`, `${writer}.${i}.b`]
        const acks = await source.publish(
          stream,
          values.map((value) => record(value, writer % 2)),
        )
        assert.ok(acks[0]!.offset < acks[1]!.offset)
        acknowledged.push(...values)
      }
    }
    const writers = [0, 1, 2, 3].map(write)
    for (let round = 0; round < 3; round++) {
      const before = acknowledged.length
      await eventually('records are acknowledged', () => acknowledged.length > before + 50)
      await restarted()
    }
    writing = false
    await Promise.all(writers)
    const all = () => [...collector.values(0), ...collector.values(1)]
    await eventually('what was acknowledged is shown', () => all().length >= acknowledged.length)
    assert.deepEqual(all().sort(), acknowledged.sort())
    assert.deepEqual(collector.losses, [])
    for (const partition of [0, 1]) {
      assert.deepEqual(collector.offsets(partition), numbers(1, collector.offsets(partition).length + 1))
    }
    collector.assertWellFormed()
  })

  test('deleted records are holes that nobody is told of, however many they are', async () => {
    const stream = await created()
    await source.publish(stream, records('r', 200))
    await administer(async ({ streams }) => {
      for (let sequence = 2; sequence < 200; sequence += 2) await streams.deleteMessage(`${stream.name}-0`, sequence)
    })
    const collector = tailed(stream, [1])
    await count(collector, 101)
    assert.deepEqual(
      collector.offsets(),
      numbers(1, 201).filter((offset) => offset % 2 === 1 || offset === 200),
    )
    assert.deepEqual(collector.losses, [])
    await eventually('the batch is closed', () => collector.ends.get(0)?.next === 201)
    collector.assertWellFormed()
  })

  test('what is purged before a slow reader had it is told exactly, and not what it had', async () => {
    const stream = await created()
    // More than a server sends before it hears from the reader.
    const value = Buffer.alloc(100_000)
    await source.publish(
      stream,
      Array.from({ length: 150 }, () => ({ partition: 0, key: null, value })),
    )
    const collector = new TailCollector()
    const { record: keep } = TailCollector.prototype
    collector.record = (shown) => {
      keep.call(collector, shown)
      if (collector.records.length === 1) purge(`${stream.name}-0`, 140)
    }
    tailed(stream, [1], collector)
    await eventually('the last record is shown', () => collector.offsets().at(-1) === 150)
    const gone = collector.losses
    assert.equal(gone.length, 1)
    const { from, to, reason } = gone[0]!
    assert.deepEqual([to, reason], [139, 'retention'])
    assert.deepEqual(collector.offsets(), [...numbers(1, from), ...numbers(140, 151)])
    assert.ok(from > 1 && from < 140, `lost from ${from}`)
    collector.assertWellFormed()
  })

  test('a backlog of many partitions, more than a server keeps for one connection, comes over one that holds', async () => {
    const stream = await created(64)
    const value = Buffer.alloc(50_000)
    const round = Array.from({ length: 64 }, (_, partition) => ({ partition, key: null, value }))
    for (let i = 0; i < 30; i++) await source.publish(stream, round)
    const collector = tailed(stream, new Array(64).fill(1))
    await count(collector, 30 * 64)
    for (let partition = 0; partition < 64; partition++) {
      assert.deepEqual(collector.offsets(partition), numbers(1, 31))
    }
    assert.doesNotMatch(server.log, /Slow Consumer/)
    assert.deepEqual(collector.states, ['up'])
    collector.assertWellFormed()
  })

  test('what a limit of the stream drops while its reader is away is told', async () => {
    const stream = await created()
    await administer(({ streams }) => streams.update(`${stream.name}-0`, { max_msgs: 5 }))
    await source.publish(stream, records('a', 3))
    const collector = tailed(stream, [1])
    await count(collector, 3)
    await server.stop()
    const other = await startNats({ port: port + 1, dir: join(dir, 'server') })
    await administerNats(other.address, async (_, connection) => {
      for (let i = 0; i < 9; i++) await connection.request(`${stream.name}.0.key`, `b${i}`)
    })
    await other.stop()
    await server.start()
    await count(collector, 8)
    assert.deepEqual(collector.losses, [{ partition: 0, from: 4, to: 7, reason: 'retention' }])
    assert.deepEqual(collector.offsets(), [1, 2, 3, ...numbers(8, 13)])
    collector.assertWellFormed()
  })

  test('a consumer that is deleted behind the reader is replaced, with nothing lost', async () => {
    const stream = await created()
    const collector = tailed(stream, [1])
    await source.publish(stream, records('a', 3))
    await count(collector, 3)
    await administer(async ({ consumers }) => {
      for await (const { name } of consumers.list(`${stream.name}-0`)) {
        await consumers.delete(`${stream.name}-0`, name)
      }
    })
    await source.publish(stream, records('b', 3))
    await count(collector, 6)
    assert.deepEqual(collector.offsets(), numbers(1, 7))
    collector.assertWellFormed()
  })

  test('a partition that alone is deleted and created again is told as a rewrite, and the others go on', async () => {
    const stream = await created(2)
    await source.publish(stream, [...records('old', 5), record('other', 1)])
    const collector = tailed(stream, [1, 1])
    await count(collector, 6)
    // Partition 1's: partition 0 is the family's incarnation.
    await administer(async ({ streams }) => {
      const { config } = await streams.info(`${stream.name}-1`)
      await streams.delete(`${stream.name}-1`)
      await streams.add(config)
    })
    await source.publish(stream, [record('new', 1), record('more', 0)])
    await eventually('the new partition is read', () => collector.values(1).includes('new'))
    await eventually('the other one too', () => collector.values(0).includes('more'))
    assert.deepEqual(collector.losses, [{ partition: 1, from: 1, to: 1, reason: 'rewritten' }])
    assert.deepEqual(collector.offsets(1), [1, 1])
    assert.deepEqual(collector.offsets(0), numbers(1, 7))
    assert.deepEqual(collector.streams, [])
    collector.assertWellFormed()
  })

  test('a partition that is created again is told also where its reader knew no record of the old one', async () => {
    const stream = await created(2)
    await source.publish(stream, [record('purged', 1), record('purged', 1)])
    await administer(({ streams }) => streams.purge(`${stream.name}-1`))
    const collector = tailed(stream, [1, 3])
    await eventually('it is read', () => collector.states.at(-1) === 'up')
    await administer(async ({ streams }) => {
      const { config } = await streams.info(`${stream.name}-1`)
      await streams.delete(`${stream.name}-1`)
      await streams.add(config)
    })
    await source.publish(stream, [record('new', 1)])
    await eventually('the new partition is read', () => collector.values(1).includes('new'))
    assert.deepEqual(collector.losses, [{ partition: 1, from: 1, to: 2, reason: 'rewritten' }])
    collector.assertWellFormed()
  })

  for (const [how, more] of [
    ['shorter than', 1],
    ['longer than', 7],
  ] as const) {
    test(`a log that is restored from a backup and then ${how} before is told from where they differ`, async () => {
      const stream = await created()
      await source.publish(stream, records('kept', 4))
      await server.stop()
      const backup = join(dir, `backup-${how[0]}`)
      cpSync(server.store, backup, { recursive: true })
      await server.start()
      const collector = tailed(stream, [3])
      await source.publish(stream, records('gone', 4))
      await eventually('all is shown', () => collector.offsets().at(-1) === 8)
      await server.kill()
      rmSync(server.store, { recursive: true })
      cpSync(backup, server.store, { recursive: true })
      const other = await startNats({ port: port + 1, dir: join(dir, 'server') })
      await administerNats(other.address, async (_, connection) => {
        for (let i = 0; i < more; i++) await connection.request(`${stream.name}.0.key`, `new${i}`)
      })
      await other.stop()
      await server.start()
      await eventually('the new log is shown', () => collector.values().at(-1) === `new${more - 1}`)
      assert.deepEqual(collector.losses, [{ partition: 0, from: 5, to: 8, reason: 'rewritten' }])
      assert.deepEqual(collector.values(), ['kept2', 'kept3', ...labels('gone', 4), ...labels('new', more)])
      collector.assertWellFormed()
    })
  }

  test('a server that stands still is away, and what was written then comes when it goes on', async () => {
    const stream = await created()
    const collector = tailed(stream, [1])
    await source.publish(stream, records('a', 2))
    await count(collector, 2)
    server.freeze()
    try {
      await eventually('the tail says that it is away', () => collector.states.at(-1) === 'away')
      await rejected(source.publish(stream, [record('late')]), 'broker_unavailable', /no acknowledgement|no answer/)
    } finally {
      server.resume()
    }
    await eventually('it is up again', () => collector.states.at(-1) === 'up')
    await source.publish(stream, [record('after')])
    await eventually('what came after is shown', () => collector.values().includes('after'))
    assert.deepEqual(collector.losses, [])
    assert.deepEqual(collector.offsets(), numbers(1, collector.records.length + 1))
    assert.equal(new Set(collector.values()).size, collector.records.length)
    collector.assertWellFormed()
  })

  test('a stream that is full and discards new records refuses them by name, and takes what fits later', async () => {
    const stream = await created()
    const name = `${stream.name}-0`
    await administer(({ streams }) => streams.update(name, { max_msgs: 2, discard: 'new' as never }))
    await source.publish(stream, records('a', 2))
    await rejected(source.publish(stream, [record('b')]), 'storage_full', /maximum messages exceeded.*raise/)
    await administer(({ streams }) => streams.update(name, { max_msgs: 3 }))
    assert.deepEqual(await source.publish(stream, [record('c')]), [{ partition: 0, offset: 3 }])
    await administer(({ streams }) => streams.update(name, { max_msgs: 9, max_msg_size: 100 }))
    await rejected(source.publish(stream, [record('d'.repeat(500))]), 'event_too_large', /takes no record of this size/)
  })

  test('more than may wait is refused as overloaded while the server is away', async () => {
    const stream = await created()
    const own = await open({ maxQueuedBytes: 10_000, publishTimeoutMs: 500 })
    await server.kill()
    const waiting = own.publish(stream, [record('x'.repeat(8000))])
    const refused = rejected(waiting, 'broker_unavailable', /no acknowledgement within 500 ms/)
    await rejected(own.publish(stream, [record('x'.repeat(8000))]), 'overloaded', /10000 bytes/)
    await refused
    await server.start()
    await eventually('there is room again', () => own.publish(stream, [record('x'.repeat(8000))]))
  })

  test('keys and headers that NATS has no place for are refused by name', async () => {
    const stream = await created()
    const publish = (out: Partial<OutRecord>) => source.publish(stream, [{ ...record('v'), ...out }])
    for (const key of ['', 'a b', 'a..b', '.a', 'a.', 'a.*', '>', 'a\r\nb']) {
      await rejected(publish({ key: Buffer.from(key) }), 'bad_event', /expected a key that NATS can carry/)
    }
    await rejected(publish({ headers: { 'a:b': 'x' } }), 'bad_event', /header names/)
    await rejected(publish({ headers: { 'Nats-Msg-Id': 'x' } }), 'bad_event', /header names/)
    await rejected(publish({ headers: { a: 'x\r\nb' } }), 'bad_event', /line breaks/)
    assert.equal((await publish({ key: Buffer.from('tür.ÿ.a*b') })).length, 1)
    const collector = tailed(stream, [1])
    await count(collector, 1)
    assert.equal(collector.records[0]!.key, Buffer.from('tür.ÿ.a*b').toString('latin1'))
  })

  test('a stream that is set up so that records or keys get lost is named at once', async () => {
    const describe = async (config: Record<string, unknown>, message: RegExp) => {
      const name = `odd-${names++}`
      await administer(({ streams }) => streams.add({ name: `${name}-0`, subjects: [`${name}.0.>`], ...config }))
      await rejected(source.describe(name), 'stream_unusable', message)
    }
    await describe({ retention: RetentionPolicy.Workqueue }, /-0: expected limits as its retention, got workqueue/)
    await describe({ subjects: [`other-${names}.>`] }, /expected the subjects odd-\d+\.0\.>.*got other/)
    const dropping = { src: `odd-${names}.0.*`, dest: 'flat.{{wildcard(1)}}' }
    await describe({ subject_transform: dropping }, /subject transform to flat\.\S+, which drops the key/)
    for (const name of ['with.dot', 'with space', 'a*', '']) {
      await rejected(source.describe(name), 'bad_request', /expected a stream name that NATS can carry/)
      await rejected(source.create(name, 1), 'bad_request', /expected a stream name that NATS can carry/)
    }
  })

  test('a family that is created again with higher sequences is a new log, of which nothing is lost, in any way of reading', async () => {
    const stream = await created()
    await source.publish(stream, records('old', 3))
    const collector = tailed(stream, [1])
    await count(collector, 3)
    const name = `${stream.name}-0`
    await administer(async ({ streams }) => {
      const { config } = await streams.info(name)
      await streams.delete(name)
      await streams.add({ ...config, first_seq: 9000 } as typeof config)
    })
    const anew = await eventually('the tail tells of the new stream', () => collector.streams[0])
    assert.deepEqual(await source.offsets(anew, 0), { first: 1, head: 9000 })
    await eventually('it is read from its beginning', () => collector.ends.get(0)?.next === 9000)
    await source.publish(anew, records('new', 3))
    await count(collector, 6)
    const chunk = { partition: 0, from: 1, to: 9003, maxBytes: 1 << 20 }
    const range = new TailCollector()
    const end = await source.range(anew, chunk, { record: (each) => range.record(each), lost: () => {} })
    assert.deepEqual([range.offsets(), end], [numbers(9000, 9003), { next: 9003, offsets: { first: 1, head: 9003 } }])
    await administer(({ streams }) => streams.purge(name, { seq: 9002 }))
    assert.deepEqual(await source.offsets(anew, 0), { first: 9002, head: 9003 })
    tailed(anew, [1], range)
    await eventually('what is left is shown', () => range.offsets().length === 4)
    assert.deepEqual(range.losses, [{ partition: 0, from: 9000, to: 9001, reason: 'retention' }])
    assert.deepEqual([collector.offsets(), collector.losses], [[1, 2, 3, ...numbers(9000, 9003)], []])
  })

  test('what the server refuses for good is told at once, in its own words, and not as a server that is away', async () => {
    const three = await open({ replicas: 3 })
    const unusable = (promise: Promise<unknown>, message: RegExp) => rejected(promise, 'stream_unusable', message)
    await unusable(
      three.create('three', 1),
      /stream three-0: the server refuses: replicas > 1 not supported in non-clu/,
    )
    await administer(({ streams }) => streams.add({ name: 'taken', subjects: ['overlap.>'] }))
    await unusable(
      source.create('overlap', 1),
      /overlap-0: the server refuses: subjects overlap with an existing stream/,
    )
    const stream = await created()
    await administer(({ streams }) => streams.update(`${stream.name}-0`, { sealed: true } as object))
    await unusable(source.publish(stream, [record('v')]), /refuses the record: invalid operation on sealed stream/)
  })

  test('one stream as it is: its subjects are the keys, wherever they come from, and it is not ours to make', async () => {
    const own = await open({ singleStreams: ['ORDERS', 'ALL'] })
    assert.equal(await own.describe('ORDERS'), undefined)
    await rejected(
      own.create('ORDERS', 1),
      'stream_missing',
      /Carillon does not know its subjects.*nats -s \S+ stream add ORDERS --subj/,
    )
    await rejected(own.describe('with.dot'), 'bad_request', /expected a stream name that NATS can carry/)
    const limits = { max_msgs_per_subject: 2 }
    await administer(({ streams }) => streams.add({ name: 'ORDERS', subjects: ['orders.*.*', 'refunds'], ...limits }))
    // A family of that name beside it is another stream.
    await administer(({ streams }) => streams.add({ name: 'ORDERS-0', subjects: ['ORDERS.0.>'] }))
    const stream = (await own.describe('ORDERS'))!
    assert.equal(stream.partitions, 1)
    const collector = new TailCollector()
    tails.push(own.tail(stream, [1], collector))
    await administer(async (_, connection) => {
      for (const subject of ['orders.eu.c1', 'refunds']) await connection.request(subject, 'outside')
    })
    const acks = await own.publish(stream, [record('inside', 0, 'orders.us.c2'), record('inside', 0, 'refunds')])
    assert.deepEqual(
      acks.map(({ offset }) => offset),
      [3, 4],
    )
    await count(collector, 4)
    const keys = ['orders.eu.c1', 'refunds', 'orders.us.c2', 'refunds']
    assert.deepEqual(
      collector.records.map(({ key }) => key),
      keys,
    )
    assert.deepEqual(await own.offsets(stream, 0), { first: 1, head: 5 })
    const again = new TailCollector()
    const chunk = { partition: 0, from: 2, to: 5, maxBytes: 1 << 20 }
    await own.range(stream, chunk, { record: (each) => again.record(each), lost: () => {} })
    assert.deepEqual(
      again.records.map(({ key }) => key),
      keys.slice(1),
    )
    assert.equal(((await own.settings!(stream)) as NatsSettings).layout, 'single')
    collector.assertWellFormed()
  })

  test('to one stream as it is nothing goes that it does not take, least of all to the server itself', async () => {
    const own = await open({ singleStreams: ['DESK', 'ALL'] })
    await administer(({ streams }) => streams.add({ name: 'DESK', subjects: ['desk.>'] }))
    const desk = (await own.describe('DESK'))!
    const untaken = (stream: StreamInfo, key: string) =>
      rejected(
        own.publish(stream, [record('v', 0, key)]),
        'no_route',
        /subject that the stream on the broker takes, got/,
      )
    await untaken(desk, 'other.a')
    await rejected(own.publish(desk, [{ partition: 0, key: null, value: null }]), 'bad_event', /expected a key/)
    // What was added since is asked for.
    await administer(({ streams }) => streams.update('DESK', { subjects: ['desk.>', 'other.>'] }))
    assert.equal((await own.publish(desk, [record('v', 0, 'other.a')])).length, 1)
    // What was taken away is found by the server's silence.
    await administer(({ streams }) => streams.update('DESK', { subjects: ['desk.>'] }))
    await rejected(
      own.publish(desk, [record('v', 0, 'other.a')]),
      'stream_unusable',
      /DESK to take "other\.a", which is no/,
    )
    await administer(({ streams }) => streams.delete('DESK'))
    await rejected(own.publish(desk, [record('v', 0, 'desk.a')]), 'stream_missing', /DESK/)
    const everything = await startNats({ port: port + 3, dir: join(dir, 'everything') })
    try {
      await administerNats(everything.address, ({ streams }) =>
        streams.add({ name: 'ALL', subjects: ['>'], no_ack: true }),
      )
      const there = await open({ servers: [everything.address], singleStreams: ['ALL'] })
      const all = (await there.describe('ALL'))!
      for (const key of ['$JS.API.STREAM.DELETE.ALL', '$SYS.REQ.SERVER.PING', '_INBOX.a.b']) {
        await rejected(there.publish(all, [record('', 0, key)]), 'no_route', /takes, got/)
      }
      assert.equal((await there.describe('ALL'))!.incarnation, all.incarnation)
      await there.close()
    } finally {
      await everything.kill()
    }
  })

  test('the command that creates a stream makes what create() makes', async () => {
    const command = source.createCommand('pasted', 3)
    const made: string[][] = []
    // The `nats` program is stood in for by one that writes its arguments down.
    const script = `nats() { printf '%s\\n' "$(printf '<%s>' "$@")"; }\n${command}`
    for (const line of execFileSync('sh', ['-c', script], { encoding: 'utf8' }).trim().split('\n')) {
      made.push([...line.matchAll(/<([^>]*>?)>/g)].map(([, argument]) => argument!))
    }
    assert.deepEqual(
      made.map((line) => [line[2], line[3], line[4], line[6]]),
      [2, 1, 0].map((p) => ['stream', 'add', `pasted-${p}`, `pasted.${p}.>`]),
    )
  })

  test('a core NATS publisher through an account mapping reaches the partition that routes by nats say', async () => {
    const routes = new RoutingTable([{ subjects: '>', stream: 'mapped', by: { hash: 'nats' } }])
    const mapped = await startNats({
      port: port + 2,
      dir: join(dir, 'mapped'),
      config: 'mappings = { "in.*.*": "mapped.{{partition(4,1,2)}}.{{wildcard(1)}}.{{wildcard(2)}}" }\n',
    })
    const own = await open({ servers: [mapped.address] })
    try {
      await own.create('mapped', 4)
      const stream = (await own.describe('mapped'))!
      const collector = new TailCollector()
      tails.push(own.tail(stream, [1, 1, 1, 1], collector))
      const keys = Array.from({ length: 40 }, (_, i) => `zone${i}.door${i * 7}`)
      await administerNats(mapped.address, async (_, connection) => {
        for (const key of keys) connection.publish(`in.${key}`, key)
        await connection.flush()
      })
      await count(collector, keys.length)
      for (const { key, value, partition } of collector.records) {
        assert.equal(key, value)
        assert.equal(partition, routes.place(key!, () => 4).partition, key!)
      }
      assert.equal(new Set(collector.records.map(({ partition }) => partition)).size, 4)
    } finally {
      await own.close()
      await mapped.kill()
    }
  })
})

/** From a process of its own, while this one does nothing: a reader that is slow. */
function purge(stream: string, sequence: number): void {
  const admin = fileURLToPath(new URL('../brokers/nats-admin.ts', import.meta.url))
  const script = `import { administerNats } from '${admin}'
    await administerNats('127.0.0.1:${port}', ({ streams }) => streams.purge('${stream}', { seq: ${sequence} }))`
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
  execFileSync(process.execPath, args, { cwd: fileURLToPath(new URL('../..', import.meta.url)) })
}
