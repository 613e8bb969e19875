import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A child's request handlers by name: functions of one argument. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>
type Argument<H extends Handlers, K extends keyof H> = Parameters<H[K]>[0]
type Result<H extends Handlers, K extends keyof H> = Awaited<ReturnType<H[K]>>

interface Question {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

/** How long a response may take, ms. Connecting takes longest. */
const patienceMs = 60_000

/**
 * A file run as a separate process that answers concurrent requests. It ends with this process,
 * however this process ends.
 */
export class Child<H extends Handlers> {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  #ids = 0
  #gone: Error | undefined

  /**
   * `ownSession` starts a separate session: Linux may share cores between sessions first,
   * regardless of priorities within them.
   */
  constructor(file: URL, { ownSession = false }: { readonly ownSession?: boolean } = {}) {
    this.#process = fork(fileURLToPath(file), {
      detached: ownSession,
      execArgv: ['--disable-warning=ExperimentalWarning'],
      serialization: 'advanced',
    })
    this.#process.on('message', (message) => this.#answered(message as Answer))
    this.#process.on('error', (error) => this.#left(error))
    this.#process.on('exit', (code, signal) => {
      this.#left(new Error(`the child process ended (${signal ?? code}) without an answer`))
    })
  }

  get pid(): number {
    return this.#process.pid!
  }

  /**
   * Calls a handler of the child. Rejects with the handler's error, when the child ends first, or
   * when no response arrives within `timeoutMs`.
   */
  ask<K extends keyof H & string>(
    name: K,
    argument: Argument<H, K>,
    timeoutMs: number = patienceMs,
  ): Promise<Result<H, K>> {
    const id = this.#ids++
    return new Promise((resolve, reject) => {
      const late = () => settle.reject(new Error(`no answer within ${timeoutMs} ms`))
      const deadline = setTimeout(late, timeoutMs)
      const done = () => {
        clearTimeout(deadline)
        this.#waiting.delete(id)
      }
      const settle: Waiting = {
        resolve: (result) => {
          done()
          resolve(result as Result<H, K>)
        },
        reject: (error) => {
          done()
          reject(new Error(`${name}: ${error.message}`))
        },
      }
      this.#waiting.set(id, settle)
      if (this.#gone !== undefined) settle.reject(this.#gone)
      else this.#process.send({ id, name, argument } satisfies Question)
    })
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  #answered({ id, result, error }: Answer): void {
    if (error === undefined) this.#waiting.get(id)?.resolve(result)
    else this.#waiting.get(id)?.reject(new Error(error))
  }

  #left(error: Error): void {
    this.#gone ??= error
    for (const waiting of [...this.#waiting.values()]) waiting.reject(error)
  }
}

/** The child's side: answers requests with `handlers`. */
export function answer(handlers: Handlers): void {
  process.on('disconnect', () => process.exit())
  // The parent ends its children. At Ctrl-C, the terminal signals all of them.
  process.on('SIGINT', () => {})
  process.on('message', async ({ id, name, argument }: Question) => {
    try {
      reply({ id, result: await handlers[name]!(argument as never) })
    } catch (error) {
      reply({ id, error: error instanceof Error ? error.message : String(error) })
    }
  })
}

/** Sends an answer. The parent may have ended in the meantime. */
function reply(answer: Answer): void {
  if (process.connected) process.send!(answer, () => {})
}
