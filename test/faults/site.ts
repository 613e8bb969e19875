import { setTimeout as delay } from 'node:timers/promises'
import { Child } from '../../src/bench/process/child.ts'
import { openSource } from '../../src/source/open.ts'
import type { Source } from '../../src/source/source.ts'
import type { Passing } from '../support/faulty-proxy.ts'
import { GatewayProcess } from '../support/gateway-process.ts'
import { KafkaBrokers } from './kafka-brokers.ts'
import { NatsBroker } from './nats-broker.ts'
import { type Door, stream } from './profiles.ts'
import type { ProxyHandlers } from './proxy-process.ts'

export type BrokerKind = 'kafka' | 'nats'
export type Brokers = KafkaBrokers | NatsBroker

const ports = { brokers: 20_700, gateways: 20_730, proxies: 20_740 } as const
/** Each has a proxy before it as well. */
export const gatewayCount = 3
/** When a gateway was started, by its number, Unix ms. */
export type Starts = readonly (readonly number[])[]

/** Brokers, gateways and proxies, all processes of their own. */
export class Site {
  readonly brokers: Brokers
  readonly source: Source
  readonly gateways: readonly GatewayProcess[]
  readonly starts: number[][] = Array.from({ length: gatewayCount }, () => [])
  readonly #proxies = new Child<ProxyHandlers>(new URL('proxy-process.ts', import.meta.url))

  private constructor(brokers: Brokers, source: Source, gateways: readonly GatewayProcess[]) {
    this.brokers = brokers
    this.source = source
    this.gateways = gateways
  }

  static async start(kind: BrokerKind, dir: string): Promise<Site> {
    const brokers =
      kind === 'kafka' ? await KafkaBrokers.start(ports.brokers, dir) : await NatsBroker.start(ports.brokers, dir)
    const source = await openSource(
      brokers.url,
      { log: () => {} },
      { kafka: { publishAttemptMs: 2000, maxRetryMs: 200 } },
    )
    const config = {
      broker: brokers.url,
      streams: { [stream]: { topic: stream, partitions: brokers.partitions } },
      routes: [{ subjects: `${stream}.>`, stream, by: { hash: 'java' } }],
    }
    const gateways = Array.from({ length: gatewayCount }, (_, i) => {
      return new GatewayProcess({ port: ports.gateways + 2 * i, dir, config })
    })
    const site = new Site(brokers, source, gateways)
    try {
      await Promise.all(gateways.map((_, i) => site.startGateway(i)))
      const ways = gateways.map(({ port }, i) => ({ port: ports.proxies + i, target: port }))
      await site.#proxies.ask('begin', ways)
    } catch (error) {
      await site.close()
      throw error
    }
    return site
  }

  get doors(): Door[] {
    const proxies = this.gateways.map((_, gateway) => ({ gateway, port: ports.proxies + gateway }))
    return [...this.gateways.map(({ port }, gateway) => ({ gateway, port })), ...proxies]
  }

  async startGateway(number: number): Promise<void> {
    const gateway = this.gateways[number]!
    this.starts[number]!.push(Date.now())
    gateway.start()
    await gateway.becomesReady()
  }

  /** How many partitions each gateway knows; undefined = it does not answer. */
  partitionsKnown(): Promise<(number | undefined)[]> {
    return Promise.all(
      this.gateways.map(async (gateway) => {
        try {
          const { streams } = (await gateway.admin('/v1/admin/status')).json
          return streams.find(({ name }: { name: string }) => name === stream).partitions.length
        } catch {
          return undefined
        }
      }),
    )
  }

  async pass(proxy: number, passing: Passing): Promise<void> {
    await this.#proxies.ask('pass', { proxy, passing })
  }

  async cut(proxy: number, nth: number): Promise<void> {
    await this.#proxies.ask('cut', { proxy, nth })
  }

  async close(): Promise<void> {
    await this.#proxies.end()
    await Promise.all(this.gateways.map((gateway) => gateway.end()))
    await Promise.race([this.source.close(), delay(5000, undefined, { ref: false })])
    await this.brokers.close()
  }
}
