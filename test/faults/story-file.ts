import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import type { ReceivedGap } from '../../src/client/received.ts'
import type { Event, ServerFrame } from '../../src/wire/frames.ts'

/**
 * What many clients of one process lived through, a line each: short, since a run has millions. Everything is told by the client's
 * number; connections and subscriptions by numbers of the client's own.
 */

/** A wish as the SDK had it: ref, number of the subscription, `after`. */
export type ToldWish = readonly [ref: number, subscription: number, after: readonly string[]]

/** An event was handed to the program; `token` is where it stood before. */
export type Handed = readonly [
  'event',
  subscription: number,
  partition: number,
  offset: number,
  after: string,
  digest: number,
  token: string,
]

export type Happened =
  /** A connection to the gateway of this number was wished for. */
  | readonly ['open', connection: number, gateway: number, wishes: readonly ToldWish[]]
  | readonly ['subscribe', connection: number, wish: ToldWish]
  | readonly ['unsubscribe', connection: number, ref: number]
  | readonly [
      'delivery',
      connection: number,
      partition: number,
      offset: number,
      after: string,
      digest: number,
      refs: readonly number[],
    ]
  | readonly ['frame', connection: number, frame: Exclude<ServerFrame, { kind: 'delivery' }>]
  | readonly ['position', connection: number, token: string]
  | Handed
  | readonly ['gap', subscription: number, gap: ReceivedGap, token: string]
  /** Where a subscription stood at the end. */
  | readonly ['stood', subscription: number, token: string]
  /** A subscription ended, which none should. */
  | readonly ['ended', subscription: number, why: string]

/** `atMs`: Unix ms, with fractions. */
export type Line = readonly [client: number, atMs: number, ...what: Happened]

const flushBytes = 256 * 1024

/** Unix ms with fractions, which never goes back within a process. */
export const nowMs = (): number => performance.timeOrigin + performance.now()

export class StoryFile {
  readonly #descriptor: number
  #text = ''

  constructor(path: string) {
    this.#descriptor = openSync(path, 'w')
  }

  tell(client: number, what: Happened): void {
    this.#text += `${JSON.stringify([client, Math.round(nowMs() * 10) / 10, ...what])}\n`
    if (this.#text.length > flushBytes) this.#flush()
  }

  close(): void {
    this.#flush()
    closeSync(this.#descriptor)
  }

  #flush(): void {
    writeSync(this.#descriptor, this.#text)
    this.#text = ''
  }
}

/** Each client's lines, unparsed, in order. */
export function storiesOf(path: string): Map<number, string[]> {
  const stories = new Map<number, string[]>()
  const bytes = readFileSync(path)
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(10, from)
    const line = bytes.toString('latin1', from, end)
    from = end + 1
    const client = Number(line.slice(1, line.indexOf(',')))
    const lines = stories.get(client)
    if (lines === undefined) stories.set(client, [line])
    else lines.push(line)
  }
  return stories
}

/** Tells events apart by all that they carry. */
export function digestOf(event: Event): number {
  const { subject, id, type, contentType, publishedAtUs, ttlMs, collapseKey, priority, attributes, deleted } = event
  const fields = [subject, id, type, contentType, publishedAtUs, ttlMs, collapseKey, priority, attributes, deleted]
  return crc32(event.data, crc32(JSON.stringify(fields)))
}
