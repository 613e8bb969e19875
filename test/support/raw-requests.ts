import { clientFrame, opcode } from '../../src/bench/load/websocket-frames.ts'

/** Requests as bytes, for those who write them to a socket whole, in pieces or wrong. */

/** `headers`: lines, each ended by CRLF. */
export const getRequest = (path: string, headers = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`

/** `length`: what the head says of the body, bytes. */
export function postRequest(path: string, body: string, headers = '', length = Buffer.byteLength(body)): string {
  const lines = `Host: 127.0.0.1\r\nContent-Type: application/json\r\n${headers}Content-Length: ${length}\r\n`
  return `POST ${path} HTTP/1.1\r\n${lines}\r\n${body}`
}

/** The key is RFC 6455's own example. */
export function upgradeRequest(protocol: string): string {
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  return getRequest(
    '/v1/ws',
    `Connection: Upgrade\r\nUpgrade: websocket\r\n${key}Sec-WebSocket-Protocol: ${protocol}\r\n`,
  )
}

export const textFrame = (text: string): Buffer => clientFrame(opcode.text, Buffer.from(text))
