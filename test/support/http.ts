import http from 'node:http'
import net from 'node:net'

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read responses of any shape
  readonly json: any
}

export interface Ask {
  readonly method?: string
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: string | Uint8Array
  readonly agent?: http.Agent
  /** Source address: any of 127.0.0.0/8. */
  readonly localAddress?: string
}

/** Sends one HTTP request to a port or a Unix socket. Resolves with the whole response. */
export function ask(
  place: number | string,
  path: string,
  { method = 'GET', headers = {}, body, agent, localAddress = '127.0.0.1' }: Ask = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const to = typeof place === 'string' ? { socketPath: place } : { host: '127.0.0.1', port: place, localAddress }
    const request = http.request({ ...to, path, method, headers, agent: agent ?? false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const isJson = response.headers['content-type']?.startsWith('application/json')
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text,
          json: isJson ? JSON.parse(text) : undefined,
        })
      })
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}

export function postJson(
  port: number,
  path: string,
  body: unknown,
  headers: http.OutgoingHttpHeaders = {},
): Promise<Answer> {
  const all = { 'Content-Type': 'application/json', ...headers }
  return ask(port, path, { method: 'POST', headers: all, body: JSON.stringify(body) })
}

/** A socket that sends given bytes and stores the responses. */
export class RawClient {
  readonly socket: net.Socket
  text = ''
  closed = false

  constructor(port: number) {
    this.socket = net.connect(port, '127.0.0.1')
    this.socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1')
    })
    this.socket.on('close', () => {
      this.closed = true
    })
    this.socket.on('error', () => {})
  }

  send(...lines: string[]): void {
    this.socket.write(lines.join('\r\n'))
  }
}
