import { clientFrame, opcode } from '../../src/bench/load/websocket-frames.ts'

/** Requests as text, for tests that write them to a socket whole, in pieces or malformed. */

/** `headers` contains lines, each ending in CRLF. */
export const getRequest = (path: string, headers = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`

/** `length` is the value of Content-Length, bytes. */
export function postRequest(path: string, body: string, headers = '', length = Buffer.byteLength(body)): string {
  const lines = `Host: 127.0.0.1\r\nContent-Type: application/json\r\n${headers}Content-Length: ${length}\r\n`
  return `POST ${path} HTTP/1.1\r\n${lines}\r\n${body}`
}

/** Returns a handshake request with the example key of RFC 6455. */
export function upgradeRequest(protocol: string): string {
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  return getRequest(
    '/v1/ws',
    `Connection: Upgrade\r\nUpgrade: websocket\r\n${key}Sec-WebSocket-Protocol: ${protocol}\r\n`,
  )
}

export const textFrame = (text: string): Buffer => clientFrame(opcode.text, Buffer.from(text))
