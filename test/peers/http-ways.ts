import { readFileSync } from 'node:fs'
import { headerOf, readHead } from '../../src/bench/http-head.ts'
import { type OpenWay, type Outgoing, Refusal, type Way } from '../../src/bench/outgoing.ts'
import { authorityOf, type Endpoint } from '../../src/bench/socket.ts'
import { connected, type Place, payloadOf, placeOf, subjectOf, Waiting } from './batch.ts'

/** Publishing to peers whose door is HTTP. Requests are pipelined on one connection: answered in their order, none waits for the last. */

const maxBatches = 2
/** Requests that are under way at most, and events of a batch where one request takes many. */
const pipelined = 100
const batched = 1000
/** Of an answer that is no success: its head, as a rule. */
const maxToldBytes = 500

/** `requests` are those of one batch; a batch is through when all of them are answered 2xx. */
async function open(endpoint: Endpoint, maxEvents: number, requests: Compose): Promise<Way> {
  const socket = await connected(endpoint)
  const waiting = new Waiting(socket)
  let held: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    try {
      for (let end = answerEnd(held); end >= 0; end = answerEnd(held)) {
        held = held.subarray(end)
        waiting.answered()
      }
    } catch (error) {
      socket.destroy(error as Error)
    }
  })
  return {
    before: Buffer.alloc(0),
    maxBatches,
    maxEvents,
    async send(outgoing) {
      const all = requests(outgoing, placeOf(outgoing), authorityOf(endpoint))
      const answers = all.map(() => waiting.next())
      socket.write(Buffer.concat(all))
      await Promise.all(answers)
    },
    close: async () => void socket.destroy(),
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
  open(target as Endpoint, pipelined, (outgoing, place, authority) =>
    each(outgoing.count, (i) =>
      post(authority, `/pub/${subjectOf(outgoing, i, place)}`, 'Accept: text/json\r\n', payloadOf(outgoing, i, place)),
    ),
  )

/** Its API's `batch`: a request takes many events. */
export const openCentrifugoWay: OpenWay = ({ target }) =>
  open(target as Endpoint, batched, (outgoing, place, authority) => {
    const commands = each(outgoing.count, (i) => {
      const channel = subjectOf(outgoing, i, place)
      const data = payloadOf(outgoing, i, place)
      return Buffer.concat([Buffer.from(`{"publish":{"channel":"${channel}","data":`), data, Buffer.from('}},')])
    })
    const all = Buffer.concat(commands)
    const body = Buffer.concat([Buffer.from('{"commands":['), all.subarray(0, all.length - 1), Buffer.from(']}')])
    return [post(authority, '/api/batch', 'Content-Type: application/json\r\n', body)]
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
  return open(endpoint, pipelined, (outgoing, place, authority) =>
    each(outgoing.count, (i) => {
      const data = encodeURIComponent(payloadOf(outgoing, i, place).toString('latin1'))
      const body = Buffer.from(`topic=${subjectOf(outgoing, i, place)}&data=${data}`)
      return post(authority, '/.well-known/mercure', headers, body)
    }),
  )
}
