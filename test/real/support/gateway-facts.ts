import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { carillon, type GatewayProcess, patienceMs } from '../../support/gateway-process.ts'
import { until } from '../../support/until.ts'
import { type Client, closeAll, connect, connectAll, haveEvents, isLive, transports } from './clients.ts'
import type { Events, Written } from './publish.ts'
import { byPartition, isPast } from './story.ts'

/** One real broker with the streams of `siteStreams`, each for the subjects below its name, and gateways on it. */
export interface Site {
  /** As `--broker` takes it. */
  readonly url: string
  /** Publishes as others do, not through Carillon. */
  readonly publisher: { events(stream: string, events: Events): Promise<Written[]> }
  /** The configuration of a gateway of these streams, of all when none are named. */
  config(names?: readonly string[]): Record<string, unknown>
  /** A gateway process, ready. */
  gateway(port: number, config?: Record<string, unknown>): Promise<GatewayProcess>
}

export const siteStreams = [
  { name: 'events', partitions: 4 },
  { name: 'resume', partitions: 3 },
  { name: 'twice', partitions: 3 },
  { name: 'leave', partitions: 2 },
]

/** A publisher's way in: every transport gets exactly these events, each subject's in order, and all get the same positions. */
export type Reach = (pattern: string, events: Events, publish: () => Promise<unknown>) => Promise<void>

/** What gateways do on whichever broker: to be called within the suite that starts site and gateways. */
export function gatewayFacts(
  site: () => Site,
  first: () => GatewayProcess,
  second: () => GatewayProcess,
  port: number,
): Reach {
  async function reach(pattern: string, events: Events, publish: () => Promise<unknown>): Promise<void> {
    const clients = await connectAll(first().url, [pattern])
    try {
      await publish()
      await haveEvents(clients, events.length)
      const bySubject = (list: Events) => list.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      const { tale } = clients[0]!.story
      for (const { transport, story, token } of clients) {
        const got = story.events.map(({ subject, data }) => [subject, data] as const)
        assert.deepEqual(bySubject(got), bySubject(events), transport)
        assert.deepEqual(story.tale, tale, transport)
        assert.deepEqual(story.gaps, [], transport)
        assert.ok(token !== '', transport)
      }
    } finally {
      closeAll(clients)
    }
  }

  test('what is posted to a gateway reaches every transport', async () => {
    const subject = 'events.posted.door'
    const events: Events = ['{"n":1}', '{"n":2}', 'three'].map((data) => [subject, data])
    await reach(subject, events, async () => {
      const one = await first().publish({ subject, data: { n: 1 } })
      assert.equal(one.status, 200, one.text)
      const batch = await second().publish([
        { subject, data: { n: 2 } },
        { subject, text: 'three' },
      ])
      assert.equal(batch.status, 200, batch.text)
    })
  })

  test('what the command line publishes to the broker reaches every transport', async () => {
    const subject = 'events.cli.door'
    const config = first().configFile
    const to = ['publish', '--broker', site().url, '--config', config]
    await reach(subject, [[subject, '{"open":true}']], () =>
      promisify(execFile)(carillon, [...to, subject, '{"open":true}']),
    )
  })

  const exact = 'resume.door.front'
  const pattern = 'resume.>'
  const subjects = [exact, 'resume.door.back', 'resume.window', 'resume.lamp', 'resume.gate', 'resume.bell']

  /** Some events over all partitions, the exact subject among them. */
  function someEvents(label: string, rounds: number): Promise<Written[]> {
    const events = Array.from({ length: rounds }, (_, round) => subjects.map((s) => [s, `${label}${round}`] as const))
    return site().publisher.events('resume', events.flat())
  }

  /** The client is given exactly these of its subject: in the log's order where it is one partition, else in each. */
  async function givenExactly(client: Client, subject: string, written: readonly Written[]): Promise<void> {
    const own = written.filter((event) => subject === pattern || event.subject === subject)
    await haveEvents([client], own.length)
    assert.deepEqual(client.story.tale, byPartition(own), `${client.transport} ${subject}`)
    await until(`the ${client.transport} client's token is past all`, patienceMs, () => isPast(client.token, own))
  }

  test('a client resumes by position on another gateway, also on one that was started after it left', async () => {
    const follow = transports.flatMap((transport) => [exact, pattern].map((subject) => ({ transport, subject })))
    const open = (gateway: GatewayProcess, tokens: readonly string[]) =>
      follow.map(({ transport, subject }, i) => connect(transport, gateway.url, [subject], tokens[i]))
    const given = (clients: Client[], written: Written[]) =>
      Promise.all(clients.map((client, i) => givenExactly(client, follow[i]!.subject, written)))
    const leave = (clients: Client[]) => {
      const tokens = clients.map(({ token }) => token)
      closeAll(clients)
      return tokens
    }

    const began = open(first(), [])
    await Promise.all(began.map(isLive))
    await given(began, await someEvents('live', 2))
    const tokens = leave(began)

    const missed = await someEvents('missed', 4)
    const elsewhere = open(second(), tokens)
    await given(elsewhere, missed)
    const more = await someEvents('more', 1)
    await given(elsewhere, [...missed, ...more])
    const later = leave(elsewhere)

    await second().end('SIGKILL')
    const away = await someEvents('away', 4)
    second().start()
    await second().becomesReady()
    const again = open(second(), later)
    await given(again, away)
    const last = await someEvents('last', 1)
    await given(again, [...away, ...last])
    closeAll(again)
  })

  test('two gateways deliver the same events at the same positions, in the same order', async () => {
    const clients = (
      await Promise.all([connectAll(first().url, ['twice.>']), connectAll(second().url, ['twice.>'])])
    ).flat()
    const publish = (publisher: number) =>
      Array.from({ length: 20 }, (_, i) => [`twice.${publisher % 3}.${i % 5}`, `${publisher}/${i}`] as const)
    const written = (
      await Promise.all([0, 1, 2, 3, 4].map((each) => site().publisher.events('twice', publish(each))))
    ).flat()
    await haveEvents(clients, written.length)
    const expected = byPartition(written.toSorted((a, b) => a.offset - b.offset))
    for (const { transport, story } of clients) {
      assert.deepEqual(story.tale, expected, transport)
    }
    closeAll(clients)
  })

  test('a gateway that is told to end tells its clients, ends in time with 0, and they lose nothing', async () => {
    const third = await site().gateway(port, { ...site().config(['leave']), drainMs: 2000 })
    const clients = await connectAll(third.url, ['leave.>'])
    await site().publisher.events('leave', [['leave.a', '1']])
    await haveEvents(clients, 1)
    const [json, protobuf, sse, poll] = clients as [Client, Client, Client, Client]
    const ending = performance.now()
    assert.deepEqual(await third.end('SIGTERM'), { code: 0, signal: null }, third.output)
    assert.ok(performance.now() - ending < 2000 + 1000)
    await until('the sockets are closed', patienceMs, () => json.ends.length > 0 && protobuf.ends.length > 0)
    for (const client of [json, protobuf]) {
      assert.deepEqual(client.ends, ['1012 shutting_down'], client.transport)
      assert.equal(client.errors[0]?.code, 'shutting_down', client.transport)
    }
    await until('the stream is closed', patienceMs, () => sse.ends.length > 0)
    assert.equal(sse.errors[0]?.code, 'shutting_down')
    // Its open request was answered with a token; the next one was refused, or found nobody.
    await until('the next poll has ended', patienceMs, () => poll.ends.length + poll.errors.length > 0)
    const farewell = poll.errors[0]?.code ?? poll.ends[0]!
    assert.match(farewell, /^shutting_down$|fetch failed/)
    assert.ok(poll.errors.every(({ retryAfterMs }) => retryAfterMs > 0))
    closeAll(clients)

    const missed = await site().publisher.events('leave', [
      ['leave.a', '2'],
      ['leave.b', '3'],
    ])
    const resumed = clients.map(({ transport, token }) => connect(transport, first().url, ['leave.>'], token))
    await haveEvents(resumed, missed.length)
    for (const { transport, story } of resumed) {
      assert.deepEqual(story.tale, byPartition(missed), transport)
    }
    closeAll(resumed)
  })

  return reach
}
