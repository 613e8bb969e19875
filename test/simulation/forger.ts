import type { Connection, Handlers } from '../../src/client/connection.ts'
import { decodeToken, encodeToken, type Position } from '../../src/wire/token.ts'
import { wayNames, ways } from './client.ts'
import { type Action, anyUrl } from './plan.ts'
import { shown, shownToken } from './shown.ts'
import { streamOf } from './streams.ts'
import type { World } from './world.ts'

/** Longest stay of a client with a forged token, ms. */
const staysMs = 4000

/**
 * Runs a client with a forged token. It may receive any error or position, but no false event,
 * and it must not break anything.
 */
export function forge(world: World, { x, y, z }: Action): void {
  const { clients, time, streams, verdict, plan } = world
  const token = clients[Math.floor(x * clients.length)]?.goesOn?.[0]?.after[0]
  if (token === undefined) return
  const way = wayNames[Math.floor(y * wayNames.length)]!
  const subject = plan.subjects[Math.floor(z * plan.subjects.length)]!
  const forged = forgedToken(token, z * 1000 - Math.floor(z * 1000))
  const process = time.process(`forger (${way})`)
  verdict.note(() => `somebody asks for ${subject} after ${shownToken(forged)}`)
  const handlers: Handlers = {
    frame: (frame) => {
      if (frame.kind !== 'delivery') return
      const truth = streamOf(streams, frame)?.truth
      const record = truth?.find(frame, frame.event, truth.incarnationOf(frame.after, frame.partition))
      if (record !== undefined && truth?.wants(subject, record) && !record.hidden) return
      verdict.broken(
        'content',
        `a forged token was answered with ${record === undefined ? 'an event that never existed' : shown(record)}`,
      )
    },
    position: () => {},
    closed: () => {},
  }
  let connection: Connection | undefined
  process.after(0, () => {
    connection = ways[way].open(anyUrl, [{ ref: 1, subject, after: [forged] }], handlers, process)
  })
  world.passes(process, staysMs, () => connection?.close())
}

function forgedToken(token: string, choice: number): string {
  const positions = decodeToken(token)
  const change = (make: (position: Position) => Partial<Position>) =>
    encodeToken(positions.map((position) => ({ ...position, ...make(position) })))
  if (choice < 0.15) return `${token.slice(0, 5)}${token[5] === 'A' ? 'B' : 'A'}${token.slice(6)}`
  if (choice < 0.3) return change(({ offset }) => ({ offset: offset + 1000 }))
  if (choice < 0.45) return change(() => ({ offset: 2 ** 52, generation: 2 ** 32 - 1 }))
  if (choice < 0.6) return change(({ generation }) => ({ generation: generation + 3 }))
  if (choice < 0.7) return change(() => ({ generation: 0, offset: 0 }))
  if (choice < 0.8) return change(({ incarnationHash }) => ({ incarnationHash: (incarnationHash ^ 0xff) >>> 0 }))
  if (choice < 0.9) return change(({ partition }) => ({ partition: partition + 7 }))
  return change(({ offset }) => ({ offset: Math.max(0, offset - 3), generation: -1 }))
}
