import { Agent, request } from 'node:http'
import { openPublisher } from '../../src/cli/broker.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Event } from '../../src/wire/frames.ts'
import { encodePublishRequest } from '../../src/wire/publish.ts'

/** The two ways in which the measurements publish. */
export interface Sender {
  /** Resolves when all are acknowledged. */
  send(events: readonly Event[]): Promise<unknown>
  close(): Promise<void>
}

/** To the broker itself, which the gateway's configuration names. */
export async function toBroker(configFile: string): Promise<Sender> {
  return openPublisher(loadConfig({ file: configFile, env: {}, flags: {} }).config)
}

/** Through the gateway, by one connection. */
export function toGateway(port: number): Sender {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const send = (events: readonly Event[]) =>
    new Promise<void>((resolve, reject) => {
      const headers = { 'Content-Type': 'application/x-protobuf' }
      const req = request({ agent, host: '127.0.0.1', port, path: '/v1/publish', method: 'POST', headers }, (res) => {
        res.resume().on('end', () => {
          if (res.statusCode === 200) resolve()
          else reject(new Error(`expected 200 for a publish, got ${res.statusCode}`))
        })
      })
      req.on('error', reject)
      req.end(encodePublishRequest(events))
    })
  return { send, close: async () => agent.destroy() }
}
