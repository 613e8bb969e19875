import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { defaultRoutes } from '../../routing/options.ts'
import type { Reach } from '../load/target.ts'
import { guardFolder, guardProcess, unguardFolder, unguardProcess } from '../process/guarded.ts'
import { type Metrics, scrape } from '../process/metrics.ts'
import type { BrokerWayTarget } from './broker-way.ts'
import type { CarillonConversation } from './conversations.ts'

const carillon = fileURLToPath(new URL('../../../bin/carillon', import.meta.url))
/** How long a gateway may take to start, or to reach a state that is waited for, ms. */
const patienceMs = 30_000
const pollMs = 50
const defaultPartitions = 4

export interface GatewayOptions {
  /** Clients here; the admin listener is one above, the inspector two. */
  readonly port: number
  readonly broker: string
  /** Of its own: nobody else publishes to it. */
  readonly topic: string
  readonly nodeOptions?: readonly string[]
  /** Options beside those that a measurement needs. */
  readonly config?: Partial<GatewayConfig>
  /** Any other options, which count more. */
  readonly more?: Readonly<Record<string, unknown>>
  /** Ctrl-C in this terminal is not for it. */
  readonly detached?: boolean
}

/** What a measurement may want otherwise; the rest has its defaults. */
export interface GatewayConfig {
  readonly partitions: number
  readonly window: Readonly<Record<string, number>>
  readonly readBack: Readonly<Record<string, number>>
  readonly limits: Readonly<Record<string, number>>
}

/** `carillon serve` as a process of its own. */
export class Gateway {
  readonly port: number
  /** Its configuration, as the publisher needs it too. */
  readonly configFile: string
  readonly #dir: string
  readonly #options: GatewayOptions
  #child: ChildProcess
  #output = ''

  constructor(options: GatewayOptions) {
    const { port, broker, topic, config: { partitions = defaultPartitions, ...rest } = {}, more = {} } = options
    this.port = port
    this.#options = options
    this.#dir = mkdtempSync(join(tmpdir(), 'carillon-bench-'))
    guardFolder(this.#dir)
    this.configFile = join(this.#dir, 'config.json')
    const config = {
      broker: broker === 'embedded' ? `embedded:${join(this.#dir, 'log')}` : broker,
      listen: `127.0.0.1:${port}`,
      admin: `127.0.0.1:${port + 1}`,
      createTopics: true,
      drainMs: 0,
      streams: { events: { topic, partitions } },
      ...rest,
      ...more,
    }
    writeFileSync(this.configFile, JSON.stringify(config))
    this.#child = this.#spawn()
    process.once('exit', this.#kill)
  }

  #spawn(): ChildProcess {
    const { nodeOptions = [], detached = false } = this.#options
    const child = spawn(carillon, ['serve', '--config', this.configFile], {
      env: environment(nodeOptions),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached,
    })
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk) => {
        this.#output = (this.#output + chunk).slice(-4000)
      })
    }
    const { pid } = child
    if (pid !== undefined) guardProcess(pid)
    child.on('exit', () => {
      if (pid !== undefined) unguardProcess(pid)
    })
    // Without it an executable that is missing would end this process.
    child.on('error', (error) => {
      this.#output += error.message
    })
    return child
  }

  /** How a load reaches it: events come through the gateway itself where the log is its own, else through the broker. */
  reach(conversation: CarillonConversation): Reach {
    const { broker, topic, config: { partitions = defaultPartitions } = {} } = this.#options
    const endpoint = { host: '127.0.0.1', port: this.port, tls: false }
    const streams = { events: { topic, partitions } }
    const target: BrokerWayTarget = { url: broker, options: {}, routes: defaultRoutes, streams, create: true }
    const isOwn = broker.startsWith('embedded')
    return {
      clients: { file: new URL('clients.ts', import.meta.url), conversation },
      publisher: {
        file: new URL('publisher.ts', import.meta.url),
        way: isOwn ? 'gateway' : 'broker',
        settings: isOwn ? { endpoint } : target,
      },
      endpoints: [endpoint],
    }
  }

  static async ready(options: GatewayOptions): Promise<Gateway> {
    const gateway = new Gateway(options)
    try {
      await gateway.serving()
      return gateway
    } catch (error) {
      await gateway.end()
      throw error
    }
  }

  /** Resolves when it is ready for clients. */
  async serving(): Promise<void> {
    await this.until('is ready', async () => {
      const answer = await fetch(`${this.admin}/readyz`, { signal: AbortSignal.timeout(patienceMs) }).catch(
        () => undefined,
      )
      return answer?.status === 200
    })
  }

  /** Ended, by itself or otherwise. */
  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Without a warning, as a host dies. */
  async crash(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }

  /** After a crash: another process with the same configuration. */
  async again(): Promise<void> {
    this.#child = this.#spawn()
    await this.serving()
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** The end of what it wrote. */
  get output(): string {
    return this.#output
  }

  metrics(): Promise<Metrics> {
    return scrape(this.admin)
  }

  /** Waits for a fact; throws when it does not come true in time, or the gateway ends. */
  async until(what: string, fact: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + patienceMs
    while (!(await fact())) {
      if (this.ended) throw new Error(`the gateway ended: ${this.#output}`)
      if (performance.now() > end)
        throw new Error(`expected that the gateway ${what}, in vain; it wrote: ${this.#output}`)
      await sleep(pollMs)
    }
  }

  /** All of them are live: nothing is left to catch up. */
  async subscribed(count: number): Promise<void> {
    await this.until(`has ${count} live subscriptions`, async () => {
      const metrics = await this.metrics()
      return metrics.sum('carillon_subscriptions') === count && metrics.sum('carillon_sessions_behind') === 0
    })
  }

  /** A full collection, by the inspector: needs `inspect` among the node options. Twice, since finalizers free more. */
  async collectGarbage(): Promise<void> {
    const [target] = (await (await fetch(`http://127.0.0.1:${this.port + 2}/json/list`)).json()) as [
      { webSocketDebuggerUrl: string },
    ]
    const inspector = new WebSocket(target.webSocketDebuggerUrl)
    await once(inspector, 'open')
    for (let id = 1; id <= 2; id++) {
      inspector.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }))
      await once(inspector, 'message')
    }
    inspector.close()
  }

  /** TERM, so that a profile is written; KILL where that is not enough. */
  async end(): Promise<void> {
    process.off('exit', this.#kill)
    if (!this.ended) {
      const ended = once(this.#child, 'exit')
      this.#child.kill('SIGTERM')
      const deadline = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
      await ended
      clearTimeout(deadline)
    }
    rmSync(this.#dir, { recursive: true, force: true })
    unguardFolder(this.#dir)
  }

  get admin(): string {
    return `http://127.0.0.1:${this.port + 1}`
  }

  readonly #kill = (): void => {
    this.#child.kill('SIGKILL')
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

/** This process's, but for options of a gateway that it may be given: those would outdo the file. */
function environment(nodeOptions: readonly string[]): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('CARILLON_'))
  return { ...Object.fromEntries(others), CARILLON_NODE_OPTIONS: nodeOptions.join(' ') }
}
