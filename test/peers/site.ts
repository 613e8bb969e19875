import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guardFolder, unguardFolder } from '../../src/bench/process/guarded.ts'
import { listenerPid } from '../../src/bench/process/host.ts'
import { Brokers, type RealBroker } from '../brokers/brokers.ts'

export const topic = 'carillon-bench'
export const partitions = 4

/** Where peers are measured: ports, a folder, and brokers that are started when they are first needed. */
export class PeerSite {
  /** Removed at the end. */
  readonly dir = mkdtempSync(join(tmpdir(), 'carillon-peers-'))
  readonly #firstPort: number
  readonly #brokers: Brokers
  #ports = 0

  /** `firstPort`: a hundred ports from there on are the site's. */
  constructor(firstPort: number) {
    this.#firstPort = firstPort
    this.#brokers = new Brokers(firstPort, this.dir)
    guardFolder(this.dir)
  }

  /** Why there is no such broker; undefined when there is. */
  lacks(kind: RealBroker): string | undefined {
    return this.#brokers.lacks(kind)
  }

  /** Two in a row, another's TIME_WAIT not in their way. */
  ports(): number {
    return this.#firstPort + 2 * (this.#ports++ % 30)
  }

  /** The broker's URL. */
  broker(kind: RealBroker): Promise<string> {
    return this.#brokers.url(kind)
  }

  async close(): Promise<void> {
    await this.#brokers.close()
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 })
    unguardFolder(this.dir)
  }
}

/** The same for all who publish through a broker. */
export const brokerWay = (url: string, named = topic) => ({
  url,
  options: {},
  routes: [{ subjects: '>', stream: 'events', by: { hash: 'java' as const } }],
  streams: { events: { topic: named, partitions } },
  create: true,
})

/** The process of a broker on the loopback. */
export function brokerPids(url: string): number[] {
  const pid = listenerPid(Number(url.slice(url.lastIndexOf(':') + 1)))
  return pid === undefined ? [] : [pid]
}
