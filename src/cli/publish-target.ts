import type { Command } from 'commander'
import type { Event, Published } from '../wire/frames.ts'
import { decodePublishResponse, encodePublishRequest } from '../wire/publish.ts'
import { ask } from './gateway-url.ts'
import { type AskLocal, localInsteadOf } from './local-gateway.ts'
import { configOf } from './options.ts'

/** Destination for the events of one command. */
export interface Target {
  readonly send: (batch: readonly Event[], traceparent?: string) => Promise<readonly Published[]>
  readonly close: () => Promise<void>
}

interface Given {
  readonly gateway: string
  readonly broker?: string
}

/** Returns the target of the command line: a gateway, or the broker of `--broker`. */
export function targetOf(command: Command, { broker, gateway }: Given): Promise<Target> {
  if (broker !== undefined) return throughBroker(command)
  const named = command.getOptionValueSource('gateway') === 'cli'
  return Promise.resolve(named ? throughGateway(gateway) : throughGatewayHere(command, gateway))
}

const path = '/v1/publish'
const protobuf = 'application/x-protobuf'

/** Encodes a batch as protobuf, because JSON would round numbers beyond 2^53 in the data. */
const requestOf = (batch: readonly Event[], traceparent: string | undefined) => ({
  method: 'POST',
  headers: { 'content-type': protobuf, ...(traceparent === undefined ? {} : { traceparent }) },
  body: new Uint8Array(encodePublishRequest(batch)),
})

async function publishedIn(response: Response): Promise<readonly Published[]> {
  return decodePublishResponse(new Uint8Array(await response.arrayBuffer()))
}

const nothingToClose = () => Promise.resolve()

function throughGateway(gateway: string): Target {
  const send = async (batch: readonly Event[], traceparent?: string) =>
    publishedIn(await ask(`${gateway}${path}`, requestOf(batch, traceparent)))
  return { send, close: nothingToClose }
}

function throughLocal(askLocal: AskLocal): Target {
  const send = async (batch: readonly Event[], traceparent?: string) =>
    publishedIn(await askLocal(path, requestOf(batch, traceparent)))
  return { send, close: nothingToClose }
}

/**
 * Publishes through the default gateway. If it refuses publishing over HTTP (`publish_closed`) and
 * has the embedded log open, its own user can publish through the Unix socket next to the log.
 */
function throughGatewayHere(command: Command, gateway: string): Target {
  let target = throughGateway(gateway)
  const send: Target['send'] = async (batch, traceparent) => {
    try {
      return await target.send(batch, traceparent)
    } catch (error) {
      target = throughLocal(await localInsteadOf(error, 'publish_closed', () => configOf(command).config))
      return target.send(batch, traceparent)
    }
  }
  return { send, close: nothingToClose }
}

async function throughBroker(command: Command): Promise<Target> {
  const { config } = configOf(command)
  const { openPublisher } = await import('./broker.ts')
  try {
    return await openPublisher(config)
  } catch (error) {
    return throughLocal(await localInsteadOf(error, 'storage_locked', () => config))
  }
}
