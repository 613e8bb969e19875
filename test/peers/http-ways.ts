import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { headerOf, readHead } from '../../src/bench/load/http-head.ts'
import { type OpenWay, type Outgoing, Refusal, type Way } from '../../src/bench/load/outgoing.ts'
import { authorityOf, type Endpoint } from '../../src/bench/load/socket.ts'
import { connected, type Place, payloadOf, placeOf, subjectOf, Waiting } from './batch.ts'

/** Publishing to peers whose door is HTTP. Requests are pipelined: none waits for the last one's answer. */

const maxBatches = 2
/** Requests that are under way at most, and events of a batch where one request takes many. */
const pipelined = 100
const batched = 1000
const severalConnections = 4
/** Of an answer that is no success: its head, as a rule. */
const maxToldBytes = 500

/** A connection for publishing: answers come in the order of the requests. */
class Door {
  readonly #socket: Socket
  readonly #waiting: Waiting
  #held: Buffer = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.#socket = socket
    this.#waiting = new Waiting(socket)
    socket.on('data', (chunk) => this.#take(chunk))
  }

  /** Resolves when all of them are answered 2xx. */
  async send(requests: readonly Buffer[]): Promise<void> {
    const answers = requests.map(() => this.#waiting.next())
    this.#socket.write(Buffer.concat(requests))
    await Promise.all(answers)
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    try {
      for (let end = answerEnd(this.#held); end >= 0; end = answerEnd(this.#held)) {
        this.#held = this.#held.subarray(end)
        this.#waiting.answered()
      }
    } catch (error) {
      this.#socket.destroy(error as Error)
    }
  }
}

interface HttpWayOptions {
  /** One server takes what comes by one connection one by one, so several let it use its cores; 1 where a request takes a whole batch. */
  readonly connections: number
  readonly maxEvents: number
  /** Those of one batch; the i-th is the i-th event's where there are several connections. */
  readonly requests: Compose
}

/** A subject's events all go by one connection: they stay in order. */
async function open(endpoint: Endpoint, { connections, maxEvents, requests }: HttpWayOptions): Promise<Way> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => connected(endpoint)))
  const doors = sockets.map((socket) => new Door(socket))
  return {
    before: Buffer.alloc(0),
    maxBatches,
    maxEvents,
    async send(outgoing) {
      const all = requests(outgoing, placeOf(outgoing), authorityOf(endpoint))
      const shares = doors.map((_, door) => all.filter((_request, i) => outgoing.subjects[i]! % connections === door))
      await Promise.all(shares.map((share, door) => (share.length === 0 ? undefined : doors[door]!.send(share))))
    },
    close: async () => {
      for (const door of doors) door.close()
    },
  }
}

type Compose = (outgoing: Outgoing, place: Place, authority: string) => Buffer[]

/** Where the first answer ends; -1 = it is not complete. Throws for one that is no success: a Refusal where the request is to blame. */
function answerEnd(bytes: Buffer): number {
  const head = readHead(bytes)
  if (head === undefined) return -1
  if (head.status >= 300) {
    const why = `expected 2xx for a publish, got ${bytes.toString('latin1', 0, maxToldBytes)}`
    throw head.status >= 400 && head.status < 500 ? new Refusal(why) : new Error(why)
  }
  const chunked = /chunked/i.test(headerOf(head, 'transfer-encoding') ?? '')
  if (chunked) {
    const end = bytes.indexOf('\r\n0\r\n\r\n', head.end - 2)
    return end < 0 ? -1 : end + 7
  }
  const end = head.end + Number(headerOf(head, 'content-length') ?? 0)
  return bytes.length < end ? -1 : end
}

function post(authority: string, path: string, headers: string, body: Buffer): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: ${authority}\r\n${headers}Content-Length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

const each = (count: number, make: (i: number) => Buffer): Buffer[] => Array.from({ length: count }, (_, i) => make(i))

/** A request an event: nchan has none for many. */
export const openNchanWay: OpenWay = ({ target }) =>
  open(target as Endpoint, {
    connections: severalConnections,
    maxEvents: pipelined,
    requests: (outgoing, place, authority) =>
      each(outgoing.count, (i) => {
        const path = `/pub/${subjectOf(outgoing, i, place)}`
        return post(authority, path, 'Accept: text/json\r\n', payloadOf(outgoing, i, place))
      }),
  })

/** Its API's `batch`: a request takes many events. */
export const openCentrifugoWay: OpenWay = ({ target }) =>
  open(target as Endpoint, {
    connections: 1,
    maxEvents: batched,
    requests: (outgoing, place, authority) => {
      const commands = each(outgoing.count, (i) => {
        const channel = subjectOf(outgoing, i, place)
        const data = payloadOf(outgoing, i, place)
        return Buffer.concat([Buffer.from(`{"publish":{"channel":"${channel}","data":`), data, Buffer.from('}},')])
      })
      const all = Buffer.concat(commands)
      const body = Buffer.concat([Buffer.from('{"commands":['), all.subarray(0, all.length - 1), Buffer.from(']}')])
      return [post(authority, '/api/batch', 'Content-Type: application/json\r\n', body)]
    },
  })

export interface MercureWayTarget {
  readonly endpoint: Endpoint
  /** File with the publisher's token. */
  readonly tokenFile: string
}

export const openMercureWay: OpenWay = async ({ target }) => {
  const { endpoint, tokenFile } = target as MercureWayTarget
  const authorization = `Authorization: Bearer ${readFileSync(tokenFile, 'utf8').trim()}\r\n`
  const headers = `${authorization}Content-Type: application/x-www-form-urlencoded\r\n`
  return open(endpoint, {
    connections: severalConnections,
    maxEvents: pipelined,
    requests: (outgoing, place, authority) =>
      each(outgoing.count, (i) => {
        const data = encodeURIComponent(payloadOf(outgoing, i, place).toString('latin1'))
        const body = Buffer.from(`topic=${subjectOf(outgoing, i, place)}&data=${data}`)
        return post(authority, '/.well-known/mercure', headers, body)
      }),
  })
}
