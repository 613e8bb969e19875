import { connect } from 'node:net'

/** What else comes to a port: requests that are wrong, half, or of no use. Whatever the answer, it is none of ours. */

let count = 0

const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`
const post = (path: string, body: string) => {
  return `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}
const upgrade = (protocol: string) => {
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  return get('/v1/ws', `Connection: Upgrade\r\nUpgrade: websocket\r\n${key}Sec-WebSocket-Protocol: ${protocol}\r\n`)
}
/** A masked text frame, the mask all zeros. */
const frame = (text: string) => {
  const length = Buffer.from([0x81, 0x80 | 126, text.length >> 8, text.length & 0xff, 0, 0, 0, 0])
  return Buffer.concat([length, Buffer.from(text)])
}

/** Each is what one connection writes, piece by piece; the names in them are new each time. */
const kinds: readonly ((unique: string) => readonly (string | Buffer)[])[] = [
  (unique) => [get(`/no/such/${unique}`)],
  (unique) => [get(`/v1/sse?subject=a..${unique}`)],
  (unique) => [get(`/v1/poll?subject=${unique}&after=nonsense${unique}`)],
  (unique) => [get(`/v1/sse?subject=nobody.${unique}.*&last=5`)],
  (unique) => [get(`/v1/poll?subject=nobody.${unique}&wait=20000`)],
  (unique) => [post('/v1/publish', `{"events":[{"subject":"${unique}"`)],
  (unique) => [post('/v1/poll', `{"subjects":["x.${unique}"],"wrong":1}`)],
  (unique) => [`GET /v1/sse?subject=${unique} HTTP/1.1\r\nHost: 127`],
  (unique) => [`\x16\x03\x01${unique}`],
  (unique) => [upgrade(`unknown.${unique}`)],
  (unique) => [upgrade('carillon.v1.json'), frame(`{"subscribe":{"ref":1,"subject":"nobody.${unique}.>"}}`)],
  (unique) => [upgrade('carillon.v1.json'), frame(`{"subscribe":{"ref":0,"subject":"${unique}"}}`)],
  () => [upgrade('carillon.v1.json'), frame('this is no frame')],
  (unique) => [upgrade('carillon.v1.json'), Buffer.from([0x81, 0xfe]), frame(unique)],
]
/** Between the pieces, and until it hangs up, ms. */
const pieceMs = 50
const patienceMs = 3000

/** The next kind, on a connection of its own that ends by itself. */
export function disturb(port: number): void {
  const unique = `u${process.pid}-${count}`
  const pieces = kinds[count++ % kinds.length]!(unique)
  const socket = connect({ host: '127.0.0.1', port }, () => {
    const write = (piece: string | Buffer) => {
      if (!socket.destroyed) socket.write(piece)
    }
    for (const [i, piece] of pieces.entries()) setTimeout(write, i * pieceMs, piece)
  })
  socket.resume()
  socket.on('error', () => {})
  const hangUp = setTimeout(() => socket.destroy(), patienceMs)
  socket.on('close', () => clearTimeout(hangUp))
}
