import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { residentBytes } from '../../src/bench/process/host.ts'
import { type Answer, ask, postJson } from './http.ts'
import { endsWithThis } from './running.ts'
import { until } from './until.ts'

export const carillon = fileURLToPath(new URL('../../bin/carillon', import.meta.url))

/** How long anything may take that is waited for, ms: beside ten busy processes a gateway takes 20 s to start. */
export const patienceMs = 60_000

/** What a gateway writes to stdout once both of its listeners are its own: another process's answer on its ports is not taken for one of it. */
export const listensText = 'carillon: clients on '

export interface GatewayPlace {
  /** Clients connect here, the admin listener is one above. */
  readonly port: number
  /** Where its configuration file goes. */
  readonly dir: string
  /** Configuration beside the listeners. */
  readonly config: Readonly<Record<string, unknown>>
  /** Variables beside this process's own. */
  readonly env?: Readonly<Record<string, string>>
}

/** `carillon serve` as a process of its own; it can be ended and started again in its place. */
export class GatewayProcess {
  readonly port: number
  readonly configFile: string
  readonly #env: Readonly<Record<string, string>>
  #child: ChildProcess | undefined
  #listens = false
  /** The end of what it wrote. */
  output = ''

  constructor({ port, dir, config, env = {} }: GatewayPlace) {
    this.port = port
    this.#env = env
    this.configFile = join(dir, `gateway-${port}.json`)
    const listeners = { listen: `127.0.0.1:${port}`, admin: `127.0.0.1:${port + 1}` }
    writeFileSync(this.configFile, JSON.stringify({ ...listeners, ...config }))
  }

  get url(): string {
    return `127.0.0.1:${this.port}`
  }

  start(): void {
    const env = { ...process.env, ...this.#env }
    const child = spawn(carillon, ['serve', '--config', this.configFile], { stdio: ['ignore', 'pipe', 'pipe'], env })
    this.#child = child
    this.#listens = false
    let written = ''
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk) => {
        this.output = (this.output + chunk).slice(-20_000)
        if (this.#listens || this.#child !== child) return
        written += chunk
        this.#listens = written.includes(listensText)
      })
    }
    endsWithThis(child)
  }

  /** And lacks nothing. */
  async becomesReady(): Promise<void> {
    await this.readiness(({ status, json }) => status === 200 && json.degraded.length === 0)
  }

  /** Resolves with the first `/readyz` answer of its own that is as expected; rejects where it has ended. */
  async readiness(expected: (answer: Answer) => boolean): Promise<Answer> {
    let last: Answer | undefined
    try {
      const found = await until(`/readyz on ${this.port + 1} is as expected`, patienceMs, async () => {
        if (!this.running) return 'ended'
        if (!this.#listens) return false
        last = await this.admin('/readyz')
        return expected(last) && last
      })
      if (found === 'ended') throw new Error(`the gateway on port ${this.port} has ended`)
      return found
    } catch (error) {
      throw new Error(`the last answer was ${last?.text}; the gateway wrote: ${this.output}`, { cause: error })
    }
  }

  admin(path: string): Promise<Answer> {
    return ask(this.port + 1, path)
  }

  /** The value of one sample of `/metrics`, named with its labels as Prometheus writes them; undefined = not there. */
  async metric(sample: string): Promise<number | undefined> {
    const { text } = await this.admin('/metrics')
    const [name, labels] = sample.split(/[{}]/)
    const wanted = labels?.split(',') ?? []
    const line = text.split('\n').find((each) => {
      return (
        each.startsWith(name!) && /[{ ]/.test(each[name!.length] ?? '') && wanted.every((one) => each.includes(one))
      )
    })
    return line === undefined ? undefined : Number(/(\S+)(?: \d{13})?$/.exec(line)?.[1])
  }

  publish(event: Readonly<Record<string, unknown>> | readonly object[]): Promise<Answer> {
    return postJson(this.port, '/v1/publish', Array.isArray(event) ? { events: event } : event)
  }

  /** Resident memory, MiB. */
  get residentMiB(): number {
    return residentBytes(this.#child!.pid!) / 2 ** 20
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  signal(name: NodeJS.Signals): void {
    this.#child!.kill(name)
  }

  /** Ends it with this signal; resolves with how it ended. */
  async end(name: NodeJS.Signals = 'SIGKILL'): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const child = this.#child!
    if (this.running) {
      const ended = once(child, 'exit')
      child.kill(name)
      if (name === 'SIGKILL') child.kill('SIGCONT')
      await ended
    }
    return { code: child.exitCode, signal: child.signalCode }
  }
}
