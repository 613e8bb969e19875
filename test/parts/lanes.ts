import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Took } from './table.ts'

export interface Part {
  readonly name: string
  readonly command: readonly [string, ...string[]]
}

/** Parts one after the other, while other lanes of the same stage run beside. */
export interface Lane {
  readonly parts: readonly Part[]
  /** The other lanes go first where the CPU is short, and what a part of it says is shown in one go once the part is through. */
  readonly isBackground?: boolean
}

/** A stage begins when all of the one before passed. A lane ends with its first part that fails, its neighbours go on. */
export type Stage = readonly Lane[]

/** Enough to let the others go first, and not so much that a busy host starves it: about a third of their share. */
const backgroundNice = 5

/** Runs stages of parts, each a command of its own, and keeps what each took. */
export class Lanes {
  readonly took: Took[] = []
  readonly #show: (text: string) => void
  readonly #running = new Set<ChildProcess>()
  #stopped: NodeJS.Signals | undefined

  constructor(show: (text: string) => void) {
    this.#show = show
  }

  /** The exit status: 0, 1 when a part failed, and the shell's number for a signal that stopped it. */
  async run(stages: readonly Stage[]): Promise<number> {
    for (const stage of stages) {
      await Promise.all(stage.map((lane) => this.#lane(lane)))
      if (this.#stopped !== undefined) return 128 + constants.signals[this.#stopped]
      if (this.took.some(({ end }) => end === 'failed')) return 1
    }
    return 0
  }

  /** Ends what runs, with all processes of it, and begins nothing more. TERM, whichever signal came: `make` hands on no other one. */
  stop(signal: NodeJS.Signals): void {
    this.#stopped ??= signal
    for (const child of this.#running) endGroup(child)
  }

  async #lane({ parts, isBackground = false }: Lane): Promise<void> {
    for (const part of parts) {
      if (this.#stopped !== undefined) return
      const took = await this.#part(part, isBackground)
      this.took.push(took)
      if (isBackground) this.#show(took.output)
      if (took.end !== 'passed') return
    }
  }

  #part({ name, command }: Part, isBackground: boolean): Promise<Took> {
    const started = performance.now()
    const [program, ...args] = isBackground ? ['nice', '-n', String(backgroundNice), ...command] : command
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    this.#running.add(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
        if (!isBackground) this.#show(text)
      })
    }
    return new Promise((resolve) => {
      const settle = (passed: boolean): void => {
        this.#running.delete(child)
        const end = passed ? 'passed' : this.#stopped === undefined ? 'failed' : 'stopped'
        resolve({ name, seconds: (performance.now() - started) / 1000, end, output })
      }
      child.on('error', (error) => {
        output += `${error.message}\n`
        settle(false)
      })
      child.on('close', (code) => settle(code === 0))
    })
  }
}

/** Its process group: each part has one of its own. */
function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGTERM')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
