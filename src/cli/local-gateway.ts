import { request } from 'node:http'
import { CarillonError, type ErrorCode } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { localSocket } from '../source/open.ts'
import { Unreachable } from './exit.ts'
import { accepted } from './gateway-url.ts'
import { inTime, Late, type Patience } from './in-time.ts'

interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

/**
 * Sends a request to the gateway that has the embedded log open, through the Unix socket next to
 * the log. Throws like `ask`.
 */
export type AskLocal = (path: string, asked?: Asked) => Promise<Response>

/** A stream as the gateway knows it. It has no `partitions` until the gateway has read them. */
interface StreamThere {
  readonly name: string
  readonly topic: string
  readonly partitions?: number
  readonly incarnation?: string
}

/** Returns the streams that the gateway serves. */
export async function localStreams(askLocal: AskLocal): Promise<readonly StreamThere[]> {
  const response = await askLocal('/v1/streams')
  return ((await response.json()) as { streams: StreamThere[] }).streams
}

/**
 * Returns an alternative after a refusal with this `code`: access to the gateway that has the
 * configuration's embedded log open. Throws `refusal` if it has another code, or if no such
 * gateway answers, and Late if the gateway does not answer in time.
 */
export async function localInsteadOf(
  refusal: unknown,
  code: ErrorCode,
  config: () => Config,
  patience?: Patience,
): Promise<AskLocal> {
  const isMeant = refusal instanceof CarillonError && refusal.code === code
  const askLocal = isMeant ? localGateway(config(), patience) : undefined
  if (askLocal === undefined) throw refusal
  try {
    await localStreams(askLocal)
    return askLocal
  } catch (error) {
    throw error instanceof Unreachable && !(error instanceof Late) ? refusal : error
  }
}

/** Returns undefined if the broker is not an embedded log. */
function localGateway({ broker }: Config, patience?: Patience): AskLocal | undefined {
  const socket = localSocket(broker)
  if (socket === undefined) return undefined
  return async (path, asked = {}) =>
    accepted(await reachLocal(socket, path, asked, patience), `the gateway on ${broker}`)
}

/**
 * Sends a request through a Unix socket. Throws Unreachable if nothing answers, Late after the
 * timeout.
 */
export function reachLocal(socket: string, path: string, asked: Asked, patience?: Patience): Promise<Response> {
  return inTime(socket, (signal) => askSocket(socket, path, { ...asked, signal }), patience)
}

function askSocket(socketPath: string, path: string, asked: Asked & { signal: AbortSignal }): Promise<Response> {
  const { method = 'GET', headers, body, signal } = asked
  return new Promise((resolve, reject) => {
    const unreachable = (error: NodeJS.ErrnoException) => {
      reject(
        new Unreachable(
          `no answer on ${socketPath} (${error.code ?? error.message}): is a gateway running on that log?`,
        ),
      )
    }
    const how = { socketPath, path, method, headers: { ...headers, host: 'localhost' }, signal }
    const asking = request(how, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', unreachable)
      answer.on('end', () => resolve(new Response(Buffer.concat(chunks), { status: answer.statusCode ?? 500 })))
    })
    asking.on('error', unreachable)
    asking.end(body)
  })
}
