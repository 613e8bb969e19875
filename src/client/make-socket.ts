/** A WebSocket, and what ends its connection without waiting for the other side, to be called at its end; undefined where nothing has to be done. */
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
 * Node's WebSocket waits for an answer to its close, for ever where the network is gone, and holds the process meanwhile. What it stands on,
 * undici, names its connections on diagnostics channels: a request as it is made, and with what it is sent.
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
    // One of the caller's own, such as that of `ws`, may have a way.
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
