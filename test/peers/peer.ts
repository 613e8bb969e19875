import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Target } from '../../src/bench/load/target.ts'
import { guardProcess, unguardProcess } from '../../src/bench/process/guarded.ts'

const patienceMs = 20_000
const pollMs = 50
/** How long it may take to end when it is asked to, ms. */
const endMs = 5000

export interface PeerOptions {
  /** With its version. */
  readonly name: string
  readonly settings: Readonly<Record<string, unknown>>
  readonly conversation: string
  /** How events get in, and what that way is told. */
  readonly way: string
  readonly wayTarget: unknown
  readonly port: number
  /** The server's command line. */
  readonly command: readonly [string, ...string[]]
  readonly environment?: Readonly<Record<string, string>>
  /** Processes of the broker, where events come through one. */
  readonly broker?: () => readonly number[]
}

/** Another server as a process of its own on this host, and how it is spoken to. */
export class Peer implements Target {
  readonly name: string
  readonly settings: Target['settings']
  readonly clients: Target['clients']
  readonly publisher: Target['publisher']
  readonly endpoints: Target['endpoints']
  readonly crash = undefined
  readonly #options: PeerOptions
  #child: ChildProcess | undefined
  #output = ''

  constructor(options: PeerOptions) {
    const { name, settings, conversation, way, wayTarget, port } = options
    this.#options = options
    this.name = name
    this.settings = settings
    this.clients = { file: new URL('clients.ts', import.meta.url), conversation }
    this.publisher = { file: new URL('publisher.ts', import.meta.url), way, settings: wayTarget }
    this.endpoints = [{ host: '127.0.0.1', port, tls: false }]
  }

  /** The server with all of its children: nginx has workers. */
  pids(): { server: readonly number[]; broker: readonly number[] } {
    const pid = this.#child?.pid
    const server = pid === undefined || this.problem() !== undefined ? [] : treeOf(pid)
    return { server, broker: this.#options.broker?.() ?? [] }
  }

  async start(): Promise<void> {
    const [file, ...args] = this.#options.command
    const env = { ...process.env, ...this.#options.environment }
    // Ctrl-C is for this process, which ends the server when it has its figures.
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env })
    this.#child = child
    this.#output = ''
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk) => {
        this.#output = (this.#output + chunk).slice(-4000)
      })
    }
    child.on('error', (error) => {
      this.#output += error.message
    })
    const { pid } = child
    if (pid !== undefined) {
      guardProcess(pid)
      child.on('exit', () => unguardProcess(pid))
    }
    await this.#listening()
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    // It leads a group of its own, with all that it has started.
    process.kill(-child.pid, 'SIGTERM')
    const deadline = setTimeout(() => child.kill('SIGKILL'), endMs)
    await ended
    clearTimeout(deadline)
  }

  problem(): string | undefined {
    const child = this.#child
    const ended =
      child !== undefined && (child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
    return ended ? `${this.name} ended; it wrote: ${this.#output.trim()}` : undefined
  }

  metrics(): Promise<readonly []> {
    return Promise.resolve([])
  }

  async #listening(): Promise<void> {
    const deadlineMs = performance.now() + patienceMs
    while (!(await listens(this.#options.port))) {
      const problem = this.problem()
      if (problem !== undefined) throw new Error(problem)
      if (performance.now() > deadlineMs) {
        await this.stop()
        throw new Error(`expected ${this.name} on port ${this.#options.port} in time; it wrote: ${this.#output.trim()}`)
      }
      await sleep(pollMs)
    }
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** A process and all that it has started. */
function treeOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return [pid, ...(children === '' ? [] : children.split(' ')).flatMap((child) => treeOf(Number(child)))]
  } catch {
    return []
  }
}

/** What a program says of its version; '' = nothing that could be read. */
export function versionOf(program: string, ...args: string[]): string {
  try {
    const said = execFileSync('/bin/sh', ['-c', '"$0" "$@" 2>&1', program, ...args], { encoding: 'utf8' })
    return /\d+\.\d+\.\d+/.exec(said)?.[0] ?? ''
  } catch {
    return ''
  }
}
