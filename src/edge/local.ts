import type { AdmissionQueue } from './admission-queue.ts'
import type { EdgeContext } from './context.ts'
import { type Listener, makeListener } from './listener.ts'
import { publishPath, servePublish } from './publish.ts'
import type { Handler } from './router.ts'
import { Router } from './router.ts'

/**
 * Access for programs of the gateway's user on this host, whatever address the gateway listens on.
 */
export interface LocalAccess {
  /** Path of a Unix socket. Users who may write to this file may publish. */
  readonly socket: string
  /** Returns the streams that `GET /v1/streams` shows. */
  streams(): readonly object[]
}

export const streamsPath = '/v1/streams'

/** Host of its requests: a client that reaches the file is on this host, as over the loopback. */
const host = 'localhost'

/**
 * Opens a listener that takes published events and lists the streams. It serves no subscribers.
 * Calls `limit` with the listener before it listens. Throws `listen_failed`.
 */
export async function openLocal(
  context: EdgeContext,
  doorway: AdmissionQueue,
  { socket, streams }: LocalAccess,
  limit: (listener: Listener) => void,
): Promise<Listener> {
  const { port, maxHeaderBytes } = context.options
  const listener = await makeListener({ host, port, maxHeaderBytes })
  const showStreams: Handler = (exchange) => exchange.answerJson(200, { streams: streams() })
  const router = new Router(
    context,
    doorway,
    [
      { path: publishPath, methods: { POST: servePublish(context, host) } },
      { path: streamsPath, methods: { GET: showStreams } },
    ],
    host,
  )
  limit(listener)
  listener.app.any('/*', (res, req) => router.handle(res, req))
  try {
    listener.listenOn(socket)
  } catch (error) {
    listener.close()
    throw error
  }
  return listener
}
