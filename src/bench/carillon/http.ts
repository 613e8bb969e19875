import type { Conversation, Listener } from '../load/conversation.ts'
import { headerOf, readHead } from '../load/http-head.ts'
import { dueUsOf, findPayload, headBytes, numberOf } from '../load/payload.ts'
import type { StreamDialect } from '../load/sse.ts'

/** Carillon's two transports over plain HTTP. */

const after = (token: string): string => (token === '' ? '' : `&after=${encodeURIComponent(token)}`)

export const sseDialect: StreamDialect = {
  path: (subject, token) => `/v1/sse?subject=${encodeURIComponent(subject)}${after(token)}`,
  headers: () => '',
  named(listener, name, block) {
    // The stream begins with its position. Missed events follow, and nothing marks their end.
    if (name === 'after') listener.live()
    else if (name === 'gap') listener.gap()
    else if (name === 'error') throw new Error(`the gateway answered ${block}`)
  },
}

const waitMs = 25_000
const nothing = Buffer.alloc(0)
const gapFrame = Buffer.from('{"gap":')
/** The end of a response: the token of the position after all its events. */
const tokenTail = /"after":"([^"]+)"\}$/
const tailBytes = 200

/** Long-polls, one at a time on one connection. Responses are short, so copying them is cheap. */
export class PollConversation implements Conversation {
  readonly #listener: Listener
  #answer: Buffer = nothing
  #live = false

  constructor(listener: Listener) {
    this.#listener = listener
  }

  begin(): void {
    const { subject, token, authority } = this.#listener
    const path = `/v1/poll?subject=${encodeURIComponent(subject)}${after(token)}&wait=${waitMs}`
    this.#listener.send(`GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
    // A poll that has a position misses nothing while it waits.
    if (token !== '') this.#begun()
  }

  take(bytes: Buffer): void {
    this.#answer = Buffer.concat([this.#answer, bytes])
    while (this.#answered()) this.begin()
  }

  /** Handles the response; false = it is not complete yet. */
  #answered(): boolean {
    const head = readHead(this.#answer)
    if (head === undefined) return false
    const end = head.end + Number(headerOf(head, 'content-length') ?? 0)
    if (this.#answer.length < end) return false
    const body = this.#answer.subarray(head.end, end)
    const token = tokenTail.exec(body.toString('latin1', Math.max(0, body.length - tailBytes)))?.[1]
    if (head.status !== 200 || token === undefined) {
      throw new Error(`expected the response to a poll, got ${JSON.stringify(this.#answer.toString('latin1', 0, 300))}`)
    }
    this.#tell(body, token)
    this.#answer = this.#answer.subarray(end)
    return true
  }

  #tell(body: Buffer, token: string): void {
    if (body.includes(gapFrame)) this.#listener.gap()
    for (let at = findPayload(body, 0, body.length); at >= 0; at = findPayload(body, at + headBytes, body.length)) {
      this.#listener.event(dueUsOf(body, at), numberOf(body, at))
    }
    const bytes = Buffer.from(token, 'latin1')
    this.#listener.position(bytes, 0, bytes.length)
  }

  #begun(): void {
    if (this.#live) return
    this.#live = true
    this.#listener.live()
  }
}
