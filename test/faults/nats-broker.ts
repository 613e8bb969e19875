import { join } from 'node:path'
import { openNats } from '../../src/source/jetstream/source.ts'
import { type NatsServer, startNats } from '../brokers/nats.ts'
import { stream } from './profiles.ts'

/** One nats-server with the family of streams on it. */
export class NatsBroker {
  readonly kind = 'nats'
  readonly partitions = 6
  readonly server: NatsServer
  /** When it was ended without warning, Unix ms: what it had not written then may be gone. */
  readonly killedAtMs: number[] = []

  private constructor(server: NatsServer) {
    this.server = server
  }

  static async start(port: number, dir: string): Promise<NatsBroker> {
    const broker = new NatsBroker(await startNats({ port, dir: join(dir, 'nats') }))
    const source = await openNats({ servers: [broker.server.address] }, { log: () => {} })
    await source.create(stream, broker.partitions)
    await source.close()
    return broker
  }

  get url(): string {
    return `nats://${this.server.address}`
  }

  async kill(): Promise<void> {
    this.killedAtMs.push(Date.now())
    await this.server.kill()
  }

  close(): Promise<void> {
    return this.server.kill()
  }
}
