import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { guard } from './kafka-node.ts'
import { natsServer } from './nats-install.ts'

const readyTimeoutMs = 20_000
const pollMs = 10

export interface NatsServerOptions {
  /** It listens there on loopback. */
  readonly port: number
  /** Its data; kept between starts. */
  readonly dir: string
  /** Further lines of its configuration. */
  readonly config?: string
  /** Without JetStream. */
  readonly plain?: boolean
  /** Let it outlive this process. */
  readonly detached?: boolean
}

/** Why no nats-server can be started here; undefined when it can. */
export function natsAvailable(): string | undefined {
  return natsServer() === undefined
    ? 'nats-server is not installed: run `$(bin/find-node) scripts/nats.ts install`'
    : undefined
}

/** One nats-server with JetStream, on loopback. */
export class NatsServer {
  readonly address: string
  readonly #options: NatsServerOptions
  #child: ChildProcess | undefined
  #guard: ChildProcess | undefined

  constructor(options: NatsServerOptions) {
    this.#options = options
    this.address = `127.0.0.1:${options.port}`
  }

  /** Where JetStream keeps its streams. */
  get store(): string {
    return join(this.#options.dir, 'store')
  }

  /** Starts it, on its old data if there is any; resolves when it serves. */
  async start(): Promise<void> {
    const { dir, detached, config, plain } = this.#options
    mkdirSync(dir, { recursive: true })
    const jetStream = plain ? '' : `jetstream { store_dir: "${this.store}" }\n`
    writeFileSync(join(dir, 'server.conf'), `listen: "${this.address}"\n${jetStream}${config ?? ''}`)
    const log = join(dir, 'out.log')
    writeFileSync(log, '')
    const out = openSync(log, 'a')
    const child = spawn(natsServer()!, ['-c', join(dir, 'server.conf')], {
      detached: true,
      stdio: ['ignore', out, out],
    })
    closeSync(out)
    this.#child = child
    writeFileSync(join(dir, 'pid'), `${child.pid}\n`)
    child.unref()
    if (detached !== true) this.#guard = guard(child.pid!)
    await this.#ready(child, log)
  }

  /** Ends it without warning. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** Ends it as an operator would. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Stops its clock: it keeps its connections and answers nothing. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** What it has logged since its start. */
  get log(): string {
    return readFileSync(join(this.#options.dir, 'out.log'), 'utf8')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.ref()
      child.kill(signal)
      await ended
    }
    this.#guard?.kill('SIGKILL')
    this.#guard = undefined
  }

  async #ready(child: ChildProcess, log: string): Promise<void> {
    const deadline = performance.now() + readyTimeoutMs
    while (!readFileSync(log, 'utf8').includes('Server is ready')) {
      const ended = child.exitCode !== null || child.signalCode !== null
      if (ended || performance.now() > deadline) {
        await this.kill()
        throw new Error(
          `nats-server ${ended ? 'ended while starting' : 'was not ready in time'}:\n${this.log.slice(-4000)}`,
        )
      }
      await delay(pollMs)
    }
  }
}

export async function startNats(options: NatsServerOptions): Promise<NatsServer> {
  const reason = natsAvailable()
  if (reason !== undefined) throw new Error(reason)
  const server = new NatsServer(options)
  await server.start()
  return server
}

/** Ends the server that an earlier process started detached in `dir`; false when none is running. */
export function stopDetachedNats(dir: string): boolean {
  const file = join(dir, 'pid')
  if (!existsSync(file)) return false
  const pid = Number(readFileSync(file, 'utf8'))
  rmSync(file)
  // A pid of long ago may be another program's by now.
  if (!commandOf(pid).includes(join(dir, 'server.conf'))) return false
  process.kill(pid, 'SIGTERM')
  return true
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
