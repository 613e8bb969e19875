import { connect } from 'node:net'
import { getRequest, postRequest, textFrame, upgradeRequest } from '../support/raw-requests.ts'

/** What else comes to a port: requests that are wrong, half, or of no use. Whatever the answer, nobody looks at it. */

let count = 0

/** Each is what one connection writes, piece by piece; the names in them are new each time. */
const kinds: readonly ((unique: string) => readonly (string | Buffer)[])[] = [
  (unique) => [getRequest(`/no/such/${unique}`)],
  (unique) => [getRequest(`/v1/sse?subject=a..${unique}`)],
  (unique) => [getRequest(`/v1/poll?subject=${unique}&after=nonsense${unique}`)],
  (unique) => [getRequest(`/v1/sse?subject=nobody.${unique}.*&last=5`)],
  (unique) => [getRequest(`/v1/poll?subject=nobody.${unique}&wait=20000`)],
  (unique) => [postRequest('/v1/publish', `{"events":[{"subject":"${unique}"`)],
  (unique) => [postRequest('/v1/poll', `{"subjects":["x.${unique}"],"wrong":1}`)],
  (unique) => [`GET /v1/sse?subject=${unique} HTTP/1.1\r\nHost: 127`],
  (unique) => [`\x16\x03\x01${unique}`],
  (unique) => [upgradeRequest(`unknown.${unique}`)],
  (unique) => [upgradeRequest('carillon.v1.json'), textFrame(`{"subscribe":{"ref":1,"subject":"nobody.${unique}.>"}}`)],
  (unique) => [upgradeRequest('carillon.v1.json'), textFrame(`{"subscribe":{"ref":0,"subject":"${unique}"}}`)],
  () => [upgradeRequest('carillon.v1.json'), textFrame('this is no frame')],
  (unique) => [upgradeRequest('carillon.v1.json'), Buffer.from([0x81, 0xfe]), textFrame(unique)],
]
/** Between the pieces, and until it hangs up, ms. */
const pieceMs = 50
const patienceMs = 3000

/** The next kind, on a connection of its own that ends by itself. */
export function misbehave(port: number): void {
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
