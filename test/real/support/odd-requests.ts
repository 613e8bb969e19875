import { RawClient } from '../../support/http.ts'

/** What comes over a connection, in so many segments. The names are those of docs/security.md. */
export type OddRequest = readonly (string | Buffer)[]

const host = 'Host: 127.0.0.1\r\n'
const get = 'GET /v1/poll?subject=a HTTP/1.1\r\n'
const post = `POST /v1/poll HTTP/1.1\r\n${host}Content-Type: application/json\r\n`
const chunked = `${post}Transfer-Encoding: chunked\r\n\r\n`
const body = '{"subjects":["a"]}'
const ended = '\r\n0\r\n\r\n'
const upgrade = (connection = 'Connection: Upgrade\r\n', version = 13) =>
  `GET /v1/ws HTTP/1.1\r\n${host}${connection}Upgrade: websocket\r\nSec-WebSocket-Version: ${version}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
const ping = '{"ping":{"t":1}}'

export const oddRequests: Readonly<Record<string, OddRequest>> = {
  'a head whose first segment ends after `GET `': ['GET ', `/v1/poll?subject=a HTTP/1.1\r\n${host}\r\n`],
  'a head whose first segment ends inside ` HTTP/1.1` or before its line feed': [get.slice(0, -1), `\n${host}\r\n`],
  'an absolute URL as the target': [`GET http://127.0.0.1/v1/poll?subject=a HTTP/1.1\r\n${host}\r\n`],
  'HTTP/1.0': [`GET /v1/poll?subject=a HTTP/1.0\r\n${host}\r\n`],
  'a blank line before the request': [`\r\n${get}${host}\r\n`],
  'a request without `Host`': [`${get}\r\n`],
  'a space before the colon of a header': [`${get}${host}X : y\r\n\r\n`],
  'a second request before the first is answered': [`${get}${host}\r\n${get}${host}\r\n`],
  'a chunk with an extension': [`${chunked}12;name=1\r\n${body}${ended}`],
  'a trailer after the last chunk': [`${chunked}12\r\n${body}\r\n0\r\nX: y\r\n\r\n`],
  'a line feed alone after the size of a chunk': [`${chunked}12\n${body}${ended}`],
  'other bytes in place of the line end after a chunk': [`${chunked}12\r\n${body}XY0\r\n\r\n`],
  'a space before the size of a chunk, which the gateway reads as the last one': [`${chunked} 12\r\n${body}${ended}`],
  'a handshake without `Connection: Upgrade`': [upgrade('')],
  'a handshake with a `Sec-WebSocket-Version` other than 13': [upgrade(undefined, 8)],
  'a frame without a mask, whose first four bytes are read as one': [
    upgrade(),
    Buffer.concat([Buffer.from([0x81, ping.length]), Buffer.from(`${ping}    `)]),
  ],
  'a frame with an unknown opcode': [upgrade(), Buffer.from([0x83, 0x80, 0, 0, 0, 0])],
}

const betweenMs = 50
/** So long is an answer waited for that is not to come, and an end behind an answer. */
const quietMs = 1000
const patienceMs = 10_000

/** What is seen of it: statuses, frames of a WebSocket, whether the connection ended. Waits as long as it is not what is expected. */
export async function observe(port: number, request: OddRequest, expected: string): Promise<string> {
  const raw = new RawClient(port)
  try {
    for (const segment of request) {
      raw.socket.setNoDelay().write(segment)
      await pause(betweenMs)
    }
    for (const until = performance.now() + patienceMs; performance.now() < until; await pause(10)) {
      if (seen(raw) === expected) break
    }
    if (!raw.closed) await pause(quietMs)
    return seen(raw)
  } finally {
    raw.socket.destroy()
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

function seen({ text, closed }: RawClient): string {
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status!)
  const frames = statuses[0] === '101' ? framesOf(Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')) : []
  const answers = [...statuses, ...frames].join(' ') || 'no answer'
  return closed ? `${answers}, closed` : answers
}

/** Kinds of JSON frames but the first, `welcome`, and close frames. */
function framesOf(bytes: Buffer): string[] {
  const frames: string[] = []
  for (let at = 0; at + 2 <= bytes.length; ) {
    const short = bytes[at + 1]! & 0x7f
    const start = at + (short < 126 ? 2 : 4)
    const length = short < 126 ? short : bytes.readUInt16BE(at + 2)
    const payload = bytes.subarray(start, start + length)
    if ((bytes[at]! & 0x0f) === 8) frames.push(`close ${payload.readUInt16BE(0)}`)
    else frames.push(Object.keys(JSON.parse(payload.toString()))[0]!)
    at = start + length
  }
  return frames.slice(1)
}
