import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What a child answers to: by name, a function of one argument. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>
type Argument<H extends Handlers, K extends keyof H> = Parameters<H[K]>[0]
type Result<H extends Handlers, K extends keyof H> = Awaited<ReturnType<H[K]>>

/** How long an answer may take, ms: connecting takes longest. */
const patienceMs = 60_000

/** A file beside this one as a process of its own that answers questions, one at a time. It ends with this process. */
export class Child<H extends Handlers> {
  readonly #process: ChildProcess

  constructor(file: string) {
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      serialization: 'advanced',
    })
  }

  get pid(): number {
    return this.#process.pid!
  }

  async ask<K extends keyof H & string>(name: K, argument: Argument<H, K>): Promise<Result<H, K>> {
    const waiting = new AbortController()
    const { signal } = waiting
    let deadline: NodeJS.Timeout | undefined
    try {
      const answered = once(this.#process, 'message', { signal })
      const ended = once(this.#process, 'exit', { signal }).then(([code]) => {
        throw new Error(`${name}: the child process ended (${code}) without an answer`)
      })
      const late = new Promise<never>((_, reject) => {
        deadline = setTimeout(() => reject(new Error(`${name}: no answer within ${patienceMs} ms`)), patienceMs)
      })
      this.#process.send({ name, argument })
      const [answer] = (await Promise.race([answered, ended, late])) as [{ result?: unknown; error?: string }]
      if (answer.error !== undefined) throw new Error(`${name}: ${answer.error}`)
      return answer.result as Result<H, K>
    } finally {
      clearTimeout(deadline)
      waiting.abort()
    }
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }
}

/** The child's side. */
export function answer(handlers: Handlers): void {
  process.on('disconnect', () => process.exit())
  // The parent ends its children: at Ctrl-C a terminal tells all of them.
  process.on('SIGINT', () => {})
  process.on('message', async ({ name, argument }: { name: string; argument: never }) => {
    try {
      process.send!({ result: await handlers[name]!(argument) })
    } catch (error) {
      process.send!({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
}
