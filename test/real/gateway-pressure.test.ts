import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { WebSocket } from 'ws'
import { SseParser } from '../../src/wire/sse-parser.ts'
import { kafkaAvailable } from '../brokers/kafka.ts'
import { GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { closeAll, connect, connectAll, haveEvents, transports } from './support/clients.ts'
import { KafkaSite } from './support/kafka-site.ts'

/** Clients that do not read and disks that are full: a bounded matter for the gateway, and nobody else's. */

const skip = kafkaAvailable()
const mountable = process.platform === 'linux' && process.getuid?.() === 0
const basePort = 19_660
/** What the slow clients miss; the window holds less than half of it. */
const count = 20_000
const batchSize = 500
const payloadBytes = 1024
const window = { windowMiB: 8, indexMiB: 2 }
/** How much memory the gateway may take for all that, MiB: window, read-back, socket buffers, garbage. */
const allowanceMiB = 200

describe('clients that read slowly', skip === undefined ? {} : { skip }, () => {
  let site: KafkaSite
  let gateway: GatewayProcess

  before(async () => {
    site = await KafkaSite.start(basePort, [{ name: 'busy', partitions: 1 }])
    gateway = await site.gateway(basePort + 2, { ...site.config(), window, readBack: { cacheMiB: 16 } })
  })

  after(() => site?.close())

  test('a client that stops reading has all events once it reads on; the others never wait, and memory is bounded', async (t) => {
    const slow = [new SlowWebSocket(gateway.url, 'busy.stream'), new SlowSse(gateway.url, 'busy.stream')]
    t.after(() => {
      for (const client of slow) client.close()
    })
    for (const client of slow) await until('the slow client is live', patienceMs, () => client.live)
    const witness = new SlowWebSocket(gateway.url, 'busy.stream')
    t.after(() => witness.close())
    await until('the witness is live', patienceMs, () => witness.live)
    for (const client of slow) client.pause()

    const baseMiB = gateway.residentMiB
    let peakMiB = baseMiB
    const padding = 'x'.repeat(payloadBytes)
    for (let sent = 0; sent < count; sent += batchSize) {
      const events = Array.from({ length: batchSize }, (_, i) => ['busy.stream', `${sent + i} ${padding}`] as const)
      await site.publisher.batch('busy', events)
      peakMiB = Math.max(peakMiB, gateway.residentMiB)
    }
    await until('the witness has all', patienceMs, () => witness.offsets.length >= count)
    assert.deepEqual(witness.offsets, offsets)
    const sorted = witness.latenciesMs.toSorted((a, b) => a - b)
    const late = sorted[Math.floor(count * 0.99)]!
    assert.ok(late < 2000, `one in a hundred waited ${late} ms`)

    assert.equal(await gateway.metric('carillon_sessions_behind'), slow.length)
    assert.ok(slow.every((client) => client.offsets.length < count / 2))
    for (const client of slow) client.resume()
    for (const client of slow) {
      await until('the slow client has all', patienceMs, () => client.offsets.length >= count)
      peakMiB = Math.max(peakMiB, gateway.residentMiB)
      assert.deepEqual(client.offsets, offsets, client.constructor.name)
      assert.equal(client.gaps, 0)
    }
    t.diagnostic(`99 % within ${late} ms; ${Math.round(baseMiB)} MiB at first, at most ${Math.round(peakMiB)} MiB`)
    assert.ok(peakMiB - baseMiB < allowanceMiB, `it grew from ${baseMiB} to ${peakMiB} MiB`)
    assert.ok((await gateway.metric('carillon_read_backs_total{stream="busy"}'))! > 0)
    await until('nobody is behind', patienceMs, async () => (await gateway.metric('carillon_sessions_behind')) === 0)
  })
})

const offsets = Array.from({ length: count }, (_, offset) => offset)

/** What both slow clients count; payloads are not kept. */
abstract class Counted {
  /** Stops reading by itself once it has so many. */
  pauseAt = Number.POSITIVE_INFINITY
  readonly offsets: number[] = []
  readonly latenciesMs: number[] = []
  gaps = 0
  live = false

  delivery({ offset, event }: { offset: number; event: { publishedAtUs: number } }): void {
    this.offsets.push(offset)
    this.latenciesMs.push(Date.now() - event.publishedAtUs / 1000)
    if (this.offsets.length < this.pauseAt) return
    this.pauseAt = Number.POSITIVE_INFINITY
    this.pause()
  }

  abstract pause(): void
  abstract resume(): void
}

class SlowWebSocket extends Counted {
  readonly #socket: WebSocket

  constructor(url: string, subject: string, after = 'latest') {
    super()
    this.#socket = new WebSocket(`ws://${url}/v1/ws`)
    this.#socket.on('open', () => this.#socket.send(JSON.stringify({ subscribe: { ref: 1, subject, after } })))
    this.#socket.on('message', (message: Buffer) => {
      const frame = JSON.parse(message.toString())
      if ('delivery' in frame) this.delivery(frame.delivery)
      if ('gap' in frame) this.gaps++
      if ('live' in frame) this.live = true
    })
    this.#socket.on('error', () => {})
  }

  override pause(): void {
    this.#socket.pause()
  }

  override resume(): void {
    this.#socket.resume()
  }

  close(): void {
    this.#socket.terminate()
  }
}

class SlowSse extends Counted {
  #response: IncomingMessage | undefined

  constructor(url: string, subject: string, after = 'latest') {
    super()
    const parser = new SseParser((event) => {
      if (event.type === 'message') this.delivery(JSON.parse(event.data))
      if (event.type === 'gap') this.gaps++
      if (event.type === 'live') this.live = true
    })
    const request = get(`http://${url}/v1/sse?subject=${subject}&after=${after}`, (response) => {
      this.#response = response
      response.on('data', (chunk: Buffer) => parser.feed(chunk))
      response.on('error', () => {})
    })
    request.on('error', () => {})
  }

  override pause(): void {
    this.#response!.pause()
  }

  override resume(): void {
    this.#response!.resume()
  }

  close(): void {
    this.#response?.destroy()
  }
}

/** A gateway on an embedded log in `dir`. */
async function embedded(t: TestContext, dir: string, port: number): Promise<GatewayProcess> {
  const gateway = new GatewayProcess({ port, dir, config: { broker: `embedded:${join(dir, 'log')}` } })
  t.after(() => gateway.end())
  gateway.start()
  return gateway
}

test('who comes back to a backlog of large events has all of it, however often the sockets fill', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-large-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const gateway = await embedded(t, dir, basePort + 4)
  await gateway.becomesReady()
  const backlog = 200
  const text = 'x'.repeat(200_000)
  for (let sent = 0; sent < backlog; sent += 4) {
    assert.equal((await gateway.publish(Array.from({ length: 4 }, () => ({ subject: 'a.b', text })))).status, 200)
  }
  const clients = [SlowWebSocket, SlowSse, SlowWebSocket, SlowSse, SlowWebSocket].map((Slow) => {
    return new Slow(gateway.url, 'a.b', 'earliest')
  })
  t.after(() => {
    for (const client of clients) client.close()
  })
  // Each stops twice, with more to come than the buffers on the way hold: so each socket fills twice at least.
  for (const client of clients) client.pauseAt = 1
  for (const [round, next] of [75, Number.POSITIVE_INFINITY].entries()) {
    await until('all sockets are full', patienceMs, async () => {
      return (await gateway.metric('carillon_full_writes_total'))! >= (round + 1) * clients.length
    })
    for (const client of clients) {
      client.pauseAt = next
      client.resume()
    }
  }
  for (const client of clients) {
    await until(`${client.constructor.name} has all`, patienceMs, () => {
      if (client.offsets.length >= backlog) return true
      throw new Error(`it has ${client.offsets.length}`)
    })
    assert.deepEqual(client.offsets, offsets.slice(0, backlog))
  }
})

test('a full disk refuses publishers with 507, subscribers go on, and publishing does when there is space', {
  skip: mountable ? false : 'mounting a small file system needs root on Linux',
}, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-full-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', dir])
  const gateway = await embedded(t, dir, basePort + 4)
  t.after(() => {
    execFileSync('umount', ['--lazy', dir])
    rmSync(dir, { recursive: true })
  })
  await gateway.becomesReady()
  const subject = 'disk.door'
  const clients = await connectAll(gateway.url, [subject])
  t.after(() => closeAll(clients))

  const large = 'x'.repeat(200_000)
  let acknowledged = 0
  let answer = await gateway.publish({ subject, text: large })
  for (; answer.status === 200 && acknowledged < 1000; acknowledged++) {
    answer = await gateway.publish({ subject, text: large })
  }
  assert.deepEqual([answer.status, answer.json.error.code], [507, 'storage_full'], answer.text)
  assert.ok(!answer.text.includes(dir), 'the path is for the log')
  await until('the log names it', patienceMs, () => gateway.output.includes(dir))
  assert.ok(acknowledged > 5, `${acknowledged} fit`)
  await haveEvents(clients, acknowledged)
  const resumed = transports.map((transport) => connect(transport, gateway.url, [subject], 'earliest'))
  t.after(() => closeAll(resumed))
  await haveEvents(resumed, acknowledged)
  assert.equal((await gateway.admin('/readyz')).status, 200)
  assert.ok((await gateway.metric('carillon_publish_failed_total{code="storage_full"}'))! > 0)

  execFileSync('mount', ['-o', 'remount,size=32m', dir])
  assert.equal((await gateway.publish({ subject, text: 'space' })).status, 200)
  const all = [...clients, ...resumed]
  await haveEvents(all, acknowledged + 1)
  for (const { transport, story, ends, errors } of all) {
    const lengths = story.data.map(({ length }) => length)
    assert.deepEqual(lengths, [...Array.from({ length: acknowledged }, () => large.length), 5], transport)
    assert.deepEqual([story.gaps, ends, errors], [[], [], []], transport)
  }
})

test('a second gateway on the directory of an embedded log is refused, and the first goes on', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-locked-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const first = await embedded(t, dir, basePort + 4)
  await first.becomesReady()
  const second = await embedded(t, dir, basePort + 6)
  await until('the second has ended', patienceMs, () => !second.running)
  assert.equal((await second.end()).code, 1, second.output)
  assert.match(second.output, new RegExp(`${dir}.*storage_locked`, 's'))
  const clients = await connectAll(first.url, ['a.b'])
  t.after(() => closeAll(clients))
  assert.equal((await first.publish({ subject: 'a.b', data: 1 })).status, 200)
  await haveEvents(clients, 1)
})
