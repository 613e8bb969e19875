import assert from 'node:assert/strict'
import test from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { allowAll } from '../../src/identity/grant.ts'
import type { ClientSession } from '../../src/session/client-session.ts'
import { type Outlet, type Transport, writeOutcome } from '../../src/session/outlet.ts'
import { encodeToken } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

async function usedBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await settled()
    collect()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** A socket that accepts everything, or nothing after the answer to `subscribe`. */
function outlet(transport: Transport, takes: 'all' | 'answers' | 'nothing'): Outlet {
  const isTaken = (frame: Uint8Array) =>
    takes === 'all' ||
    (takes === 'answers' && Buffer.from(frame.buffer, frame.byteOffset, frame.length).includes('"subscribed"'))
  return {
    transport,
    encoding: transport === 'sse' ? 'sse' : 'json',
    peer: '192.0.2.1',
    write: (frame) => (isTaken(frame) ? writeOutcome.sent : writeOutcome.refused),
    batch: (run) => run(),
    opened() {},
    caughtUp() {},
    end(error) {
      if (error !== undefined) throw error
    },
  }
}

interface Shape {
  readonly name: string
  readonly partitions?: number
  readonly sessions: number
  readonly transport?: Transport
  readonly takes?: 'all' | 'answers' | 'nothing'
  /** Maximum ratio of counted to measured memory. */
  readonly spare?: number
  act(session: ClientSession, gateway: TestGateway, i: number): void
}

const subscribe = (session: ClientSession, ref: number, subject: string, ...after: string[]) =>
  session.receive({ kind: 'subscribe', ref, subject, after })
const many = (n: number, act: (i: number) => void) => {
  for (let i = 1; i <= n; i++) act(i)
}
const long = 'segment'.repeat(8)
const far = 3_000_000_000

const shapes: readonly Shape[] = [
  { name: 'nothing', sessions: 900, spare: 4, act() {} },
  { name: 'one subject', sessions: 900, act: (session, _, i) => subscribe(session, 1, `device.${i}`) },
  { name: 'a pattern that all have', partitions: 64, sessions: 50, act: (session) => subscribe(session, 1, '>') },
  {
    name: 'a pattern of its own',
    partitions: 64,
    sessions: 50,
    act: (session, _, i) => subscribe(session, 1, `a.${i}.>`),
  },
  {
    name: 'a deep pattern of its own',
    partitions: 64,
    sessions: 20,
    act: (session, _, i) => subscribe(session, 1, `${i}.${'ab.'.repeat(60)}>`),
  },
  {
    name: 'a pattern of long tokens',
    partitions: 16,
    sessions: 20,
    act: (session, _, i) => subscribe(session, 1, `${i}.${long}${i}.${long}${i}.${long}${i}.*`),
  },
  {
    name: 'many subjects',
    sessions: 5,
    act: (session, _, i) => many(1000, (n) => subscribe(session, n, `device.${i}.${n}`)),
  },
  {
    name: 'many long subjects beyond ASCII',
    sessions: 5,
    act: (session, _, i) => many(400, (n) => subscribe(session, n, `${'ü'.repeat(100)}.${i}.${n}`)),
  },
  {
    name: 'many patterns',
    sessions: 5,
    act: (session, _, i) => many(800, (n) => subscribe(session, n, `a.${i}.${n}.>`)),
  },
  {
    name: 'the same pattern often',
    spare: 4,
    sessions: 5,
    partitions: 16,
    act: (session) => many(100, (n) => subscribe(session, n, '>')),
  },
  {
    name: 'many subjects in one request',
    transport: 'sse',
    sessions: 5,
    partitions: 16,
    act: (session, _, i) =>
      session.start(
        Array.from({ length: 1000 }, (_, n) => `device.${i}.${n}`),
        [],
      ),
  },
  {
    name: 'many that catch up',
    takes: 'answers',
    sessions: 5,
    act: (session, { stream }, i) =>
      many(900, (n) => subscribe(session, n, `device.${i}.${n}`, stream.partitions[0]!.tokenAt(0))),
  },
  {
    name: 'positions for partitions to come',
    sessions: 20,
    act: (session, { stream }, i) => {
      const position = { ...stream.partitions[0]!.positionAt(0), generation: 5 }
      const positions = Array.from({ length: 1000 }, (_, n) => ({ ...position, partition: n, offset: far + n }))
      many(3, (n) => subscribe(session, n, `device.${i}.${n}`, encodeToken(positions)))
    },
  },
  {
    name: 'answers that wait',
    takes: 'nothing',
    sessions: 5,
    act: (session) => many(2000, (n) => session.receive({ kind: 'ping', t: n })),
  },
  {
    name: 'last events that wait',
    takes: 'answers',
    sessions: 5,
    act: (session) => session.receive({ kind: 'subscribe', ref: 1, subject: '>', after: [], last: 1000 }),
  },
]

for (const { name, partitions = 1, sessions, transport = 'websocket', takes = 'all', spare = 2.5, act } of shapes) {
  test(`a session takes no more memory than it is counted as, and not much less: ${name}`, async () => {
    const gateway = await TestGateway.start(new ModelBroker('events', partitions), {}, { entries: 8192 })
    many(8000, (n) => gateway.publish(`event.${n}`, 'x'))
    const open = (i: number): ClientSession => {
      const session = gateway.sessions.open(outlet(transport, takes), allowAll) as ClientSession
      act(session, gateway, i)
      return session
    }
    // Warm-up: objects created once, and compiled code.
    open(-1)
    const before = await usedBytes()
    const opened = Array.from({ length: sessions }, (_, i) => open(i))
    const used = ((await usedBytes()) - before) / sessions
    const counted = opened.reduce((sum, { account }) => sum + account.bytes, 0) / sessions
    const said = `${Math.round(used)} bytes a session, counted as ${counted}`
    assert.ok(used <= counted * 1.05, said)
    assert.ok(used * spare >= counted, said)
  })
}
