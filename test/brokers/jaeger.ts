import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { jaegerHome, jaegerInstalled, missingGo } from './jaeger-install.ts'
import { guard } from './kafka-node.ts'

const readyTimeoutMs = 30_000
const pollMs = 20

export interface JaegerPorts {
  /** OTLP over HTTP and over gRPC. */
  readonly otlpHttp: number
  readonly otlpGrpc: number
  /** The UI and its API, and the API over gRPC. */
  readonly query: number
  readonly queryGrpc: number
  readonly health: number
}

/** Jaeger's own defaults. */
export const jaegerPorts: JaegerPorts = {
  otlpHttp: 4318,
  otlpGrpc: 4317,
  query: 16686,
  queryGrpc: 16685,
  health: 13133,
}

export interface JaegerOptions {
  readonly ports: JaegerPorts
  /** Its configuration, pid and log; the traces are in its memory. */
  readonly dir: string
  /** Let it outlive this process. */
  readonly detached?: boolean
}

/** Why no Jaeger can be started here; undefined when it can. */
export function jaegerAvailable(): string | undefined {
  if (jaegerInstalled()) return undefined
  return `Jaeger is not installed: ${missingGo() ?? 'run `$(bin/find-node) scripts/jaeger.ts install`'}`
}

/** A Jaeger on loopback with its traces in memory. It ends with this process unless detached. */
export class Jaeger {
  readonly #options: JaegerOptions
  #child: ChildProcess | undefined
  #guard: ChildProcess | undefined

  constructor(options: JaegerOptions) {
    this.#options = options
  }

  /** What its UI and API listen on. */
  get url(): string {
    return `http://127.0.0.1:${this.#options.ports.query}`
  }

  /** Resolves when it takes and shows spans. */
  async start(): Promise<void> {
    const { dir, ports, detached } = this.#options
    mkdirSync(dir, { recursive: true })
    const config = join(dir, 'jaeger.yaml')
    writeFileSync(config, configOf(ports))
    const log = join(dir, 'out.log')
    const out = openSync(log, 'w')
    const child = spawn(jaegerHome.binary, ['--config', config], { detached: true, stdio: ['ignore', out, out] })
    closeSync(out)
    this.#child = child
    child.unref()
    writeFileSync(join(dir, 'pid'), `${child.pid}\n`)
    if (detached !== true) this.#guard = guard(child.pid!)
    await this.#ready(child, log)
  }

  /** Stops its clock (STOP): it keeps its connections and answers nothing. */
  freeze(): void {
    this.#child!.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Ends it, and with it what it remembers. */
  async end(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.ref()
      child.kill('SIGKILL')
      await ended
    }
    this.#guard?.kill('SIGKILL')
    this.#guard = undefined
  }

  async #ready(child: ChildProcess, log: string): Promise<void> {
    const { health, query } = this.#options.ports
    const deadline = performance.now() + readyTimeoutMs
    while (!((await answers(`http://127.0.0.1:${health}/status`)) && (await answers(`http://127.0.0.1:${query}/`)))) {
      const ended = child.exitCode !== null || child.signalCode !== null
      if (ended || performance.now() > deadline) {
        await this.end()
        const what = ended ? 'ended while starting' : `was not ready in ${readyTimeoutMs} ms`
        throw new Error(`Jaeger ${what}:\n${readFileSync(log, 'utf8').slice(-4000)}`)
      }
      await delay(pollMs)
    }
  }
}

/** Ends the Jaeger that an earlier process started detached in `dir`; false when none was running. */
export function stopDetachedJaeger(dir: string): boolean {
  const file = join(dir, 'pid')
  if (!existsSync(file)) return false
  const pid = Number(readFileSync(file, 'utf8'))
  rmSync(file)
  // A pid of long ago may be another program's by now.
  if (!commandOf(pid).includes(join(dir, 'jaeger.yaml'))) return false
  process.kill(pid, 'SIGTERM')
  return true
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok
  } catch {
    return false
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

const configOf = (ports: JaegerPorts): string => `service:
  extensions: [jaeger_storage, jaeger_query, healthcheckv2]
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [jaeger_storage_exporter]
  telemetry:
    metrics:
      level: none
    logs:
      level: warn
extensions:
  healthcheckv2:
    use_v2: true
    http:
      endpoint: 127.0.0.1:${ports.health}
  jaeger_query:
    storage:
      traces: memory
    http:
      endpoint: 127.0.0.1:${ports.query}
    grpc:
      endpoint: 127.0.0.1:${ports.queryGrpc}
  jaeger_storage:
    backends:
      memory:
        memory:
          max_traces: 10000
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:${ports.otlpHttp}
      grpc:
        endpoint: 127.0.0.1:${ports.otlpGrpc}
exporters:
  jaeger_storage_exporter:
    trace_storage: memory
`
