import { Connection, Refused } from './connection.js'
import { keyOf, Progress, positionsOf, streamOf } from './token.js'

/** `GET /v1/ws`, subprotocol carillon.v1.json: a frame is an object with one key. */
export class WebSocketConnection extends Connection {
  static title = 'WebSocket'
  static endpoint = '/v1/ws'
  #socket
  #progress = new Progress()

  open() {
    const url = new URL('v1/ws', location.href)
    url.protocol = url.protocol.replace('http', 'ws')
    const socket = new WebSocket(url, 'carillon.v1.json')
    this.#socket = socket
    this.#progress.clear()
    socket.onopen = () =>
      socket.send(JSON.stringify({ subscribe: { ref: 1, subject: this.subject, after: this.after } }))
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data))
    socket.onclose = ({ code, reason }) => this.failed(new Error(reason || `closed (${code})`))
  }

  shut() {
    const socket = this.#socket
    if (socket === undefined) return
    this.#socket = undefined
    socket.onopen = null
    socket.onmessage = null
    socket.onclose = null
    socket.close()
  }

  #receive({ subscribed, delivery, live, gap, error }) {
    if (subscribed) this.connected(false)
    if (live) this.connected()
    const token = (subscribed ?? delivery ?? gap)?.after
    if (delivery) this.deliver(keyOf(positionsOf(token)[0]), { stream: streamOf(token), ...delivery })
    if (gap) this.gap(keyOf(positionsOf(token)[0]), gap)
    if (token) this.#move(token)
    if (error) this.#refused(error)
  }

  #move(token) {
    this.#progress.move(token)
    this.moved(this.#progress.token())
  }

  #refused({ code, message, retryAfterMs }) {
    const error = retryAfterMs > 0 ? new Error(message) : new Refused(`${code}: ${message}`)
    this.failed(error, retryAfterMs)
  }
}
