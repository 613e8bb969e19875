import { EventSource } from 'eventsource'
import { WebSocket } from 'ws'
import type { ServerFrame } from '../../../src/wire/frames.ts'
import { decodeClientFrame, serverFrameFromJson } from '../../../src/wire/json.ts'
import { decodeServerFrame, encodeClientFrame } from '../../../src/wire/proto.ts'
import { patienceMs } from '../../support/gateway-process.ts'
import { until } from '../../support/until.ts'
import { Place, type SeenError, Story } from './story.ts'

/** What ordinary libraries see of a gateway: `ws`, `eventsource`, `fetch`. */
export interface Client {
  readonly transport: Transport
  readonly story: Story
  readonly errors: SeenError[]
  /** Told to be at the head; a poll is when it has its first answer. */
  readonly live: boolean
  /** Connections that ended, and how. */
  readonly ends: string[]
  /** Where to resume; '' = not known yet. */
  readonly token: string
  close(): void
}

export const transports = ['websocket json', 'websocket protobuf', 'sse', 'poll'] as const
export type Transport = (typeof transports)[number]

/** `url` is `host:port`; `after` as the protocol takes it. */
export function connect(transport: Transport, url: string, subjects: readonly string[], after = ''): Client {
  switch (transport) {
    case 'websocket json':
    case 'websocket protobuf':
      return new WebSocketClient(transport, url, subjects, after)
    case 'sse':
      return new SseClient(url, subjects, after)
    case 'poll':
      return new PollClient(url, subjects, after)
  }
}

/** One of each transport, all at the head. */
export async function connectAll(url: string, subjects: readonly string[]): Promise<Client[]> {
  const clients = transports.map((transport) => connect(transport, url, subjects))
  await Promise.all(clients.map(isLive))
  return clients
}

export function isLive(client: Client): Promise<unknown> {
  return until(`the ${client.transport} client is live`, patienceMs, () => {
    if (client.errors.length > 0) throw new Error(JSON.stringify(client.errors))
    return client.live
  })
}

export function closeAll(clients: readonly Client[]): void {
  for (const client of clients) client.close()
}

/** Waits until each has so many events in all. */
export async function haveEvents(clients: readonly Client[], count: number): Promise<void> {
  for (const { transport, story, errors } of clients) {
    await until(`the ${transport} client has ${count} events`, patienceMs, () => {
      if (story.events.length >= count) return true
      throw new Error(
        `it has ${story.events.length}: ${JSON.stringify(story.tale).slice(-400)}, errors ${JSON.stringify(errors)}`,
      )
    })
  }
}

const textOf = (data: Uint8Array) => Buffer.from(data).toString()

abstract class Base {
  readonly story = new Story()
  readonly errors: SeenError[] = []
  readonly ends: string[] = []
  live = false

  /** Events, gaps and errors; the rest is the transport's. */
  protected take(frame: ServerFrame | undefined): void {
    if (frame?.kind === 'delivery') {
      const { partition, offset, event } = frame
      const { subject, data, deleted } = event
      const atMs = performance.now()
      this.story.told.push({ subject, data: textOf(data), partition, offset, deleted, atMs })
    } else if (frame?.kind === 'gap') {
      const { stream, partition, from, to, reason, after } = frame
      this.story.told.push({ stream, partition, from, to, reason, after })
    } else if (frame?.kind === 'error') {
      const { code, message, retryAfterMs } = frame
      this.errors.push({ code, message, retryAfterMs })
    }
  }
}

const subprotocols = { 'websocket json': 'carillon.v1.json', 'websocket protobuf': 'carillon.v1.proto' } as const

class WebSocketClient extends Base implements Client {
  readonly transport: Transport
  readonly #place = new Place()
  readonly #socket: WebSocket
  readonly #live = new Set<number>()

  constructor(transport: keyof typeof subprotocols, url: string, subjects: readonly string[], after: string) {
    super()
    this.transport = transport
    const binary = transport === 'websocket protobuf'
    this.#socket = new WebSocket(`ws://${url}/v1/ws`, subprotocols[transport])
    this.#socket.on('open', () => {
      for (const [i, subject] of subjects.entries()) {
        const text = JSON.stringify({ subscribe: { ref: i + 1, subject, ...(after === '' ? {} : { after }) } })
        this.#socket.send(binary ? encodeClientFrame(decodeClientFrame(text)) : text)
      }
    })
    this.#socket.on('message', (message: Buffer) => {
      this.#receive(binary ? decodeServerFrame(message) : serverFrameFromJson(JSON.parse(message.toString())), subjects)
    })
    this.#socket.on('close', (code, reason) => this.ends.push(`${code} ${reason}`))
    this.#socket.on('error', () => {})
  }

  get token(): string {
    return this.#place.token
  }

  close(): void {
    this.#socket.terminate()
  }

  #receive(frame: ServerFrame | undefined, subjects: readonly string[]): void {
    this.take(frame)
    if (frame === undefined) return
    if (frame.kind === 'live') this.#live.add(frame.ref)
    this.live = this.#live.size === subjects.length
    if ('after' in frame) this.#place.take(frame.after)
  }
}

class SseClient extends Base implements Client {
  readonly transport = 'sse'
  readonly #source: EventSource
  token = ''

  constructor(url: string, subjects: readonly string[], after: string) {
    super()
    this.#source = new EventSource(`http://${url}/v1/sse?${query(subjects, after)}`)
    const on = (name: string, take: (data: unknown) => void) => {
      this.#source.addEventListener(name, (message) => {
        this.token = message.lastEventId
        take(JSON.parse(message.data))
      })
    }
    on('message', (data) => {
      this.take(serverFrameFromJson({ delivery: { after: this.token, ...(data as object) } }))
    })
    on('gap', (data) => this.take(serverFrameFromJson({ gap: data })))
    on('after', () => {})
    on('live', () => {
      this.live = true
    })
    // The library's own name for a lost connection; the gateway's error event has data.
    this.#source.addEventListener('error', (event) => {
      const data = (event as { data?: unknown }).data
      if (typeof data === 'string') this.take(serverFrameFromJson({ error: JSON.parse(data) }))
      else this.ends.push('closed')
    })
  }

  close(): void {
    this.#source.close()
  }
}

/** What a poll asks the gateway to wait for an event, ms. */
const pollWaitMs = 5000

class PollClient extends Base implements Client {
  readonly transport = 'poll'
  readonly #url: string
  readonly #subjects: readonly string[]
  readonly #aborted = new AbortController()
  token: string

  constructor(url: string, subjects: readonly string[], after: string) {
    super()
    this.#url = url
    this.#subjects = subjects
    this.token = after
    void this.#run()
  }

  close(): void {
    this.#aborted.abort()
  }

  async #run(): Promise<void> {
    while (!this.#aborted.signal.aborted) {
      try {
        if (!(await this.#poll())) return
      } catch (error) {
        if (!this.#aborted.signal.aborted) this.ends.push(String(error))
        return
      }
    }
  }

  /** False when the gateway refused it. */
  async #poll(): Promise<boolean> {
    const { signal } = this.#aborted
    const wanted = `${query(this.#subjects, this.token)}&wait=${pollWaitMs}${this.live ? '' : '&until=live'}`
    const response = await fetch(`http://${this.#url}/v1/poll?${wanted}`, { signal })
    const body = (await response.json()) as { frames: unknown[]; live: boolean; after: string; error: SeenError }
    if (response.status !== 200) {
      this.errors.push(body.error)
      return false
    }
    for (const frame of body.frames) this.take(serverFrameFromJson(frame))
    this.token = body.after
    this.live ||= body.live
    return true
  }
}

function query(subjects: readonly string[], after: string): string {
  const parameters = subjects.map((subject) => `subject=${encodeURIComponent(subject)}`)
  if (after !== '') parameters.push(`after=${encodeURIComponent(after)}`)
  return parameters.join('&')
}
