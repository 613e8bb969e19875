/**
 * A WebSocket, and a function that ends its connection without waiting for the other side;
 * undefined if the platform does that itself. Call it at the end of the socket.
 */
export interface Made {
  readonly socket: WebSocket
  readonly destroy: (() => void) | undefined
}

interface Message {
  readonly request: unknown
  readonly socket?: { destroy(): void }
}

interface Channels {
  subscribe(name: string, heard: (message: Message) => void): void
  unsubscribe(name: string, heard: (message: Message) => void): void
}

interface Surroundings {
  readonly process?: { getBuiltinModule?(name: string): Channels }
}

const created = 'undici:request:create'
const sent = 'undici:client:sendHeaders'

/**
 * Makes a WebSocket that can be destroyed. Node's waits for the answer to its close, forever if
 * the network is gone, and keeps the process alive meanwhile. Its implementation, undici,
 * publishes connections on diagnostics channels: a request when it is created, and its socket when
 * it is sent.
 */
export function makeSocket(make: () => WebSocket & { terminate?(): void }): Made {
  const channels = (globalThis as Surroundings).process?.getBuiltinModule?.('node:diagnostics_channel')
  let request: unknown
  let connection: Message['socket']
  const onCreated = (message: Message) => {
    request ??= message.request
  }
  const onSent = (message: Message) => {
    if (message.request !== request) return
    connection = message.socket
    channels?.unsubscribe(sent, onSent)
  }
  channels?.subscribe(created, onCreated)
  try {
    const socket = make()
    // A caller's own WebSocket, such as that of `ws`, may have `terminate`.
    if (socket.terminate !== undefined) return { socket, destroy: () => socket.terminate?.() }
    if (request === undefined) return { socket, destroy: undefined }
    channels?.subscribe(sent, onSent)
    const destroy = () => {
      channels?.unsubscribe(sent, onSent)
      connection?.destroy()
    }
    return { socket, destroy }
  } finally {
    channels?.unsubscribe(created, onCreated)
  }
}
