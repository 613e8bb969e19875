import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A process of this folder that answers orders, one after the other. */
export class Child<Order extends object, Answer> {
  readonly #name: string
  readonly #child: ChildProcess
  readonly #waiting: ((answer: Answer | Error) => void)[] = []

  constructor(name: string) {
    this.#name = name
    const file = fileURLToPath(new URL(name, import.meta.url))
    this.#child = fork(file, { execArgv: ['--disable-warning=ExperimentalWarning', '--max-old-space-size=2048'] })
    this.#child.on('message', (answer) => this.#waiting.shift()?.(answer as Answer))
    this.#child.on('exit', (code, signal) => {
      for (const settle of this.#waiting.splice(0)) settle(new Error(`${name} ended by itself: ${code ?? signal}`))
    })
  }

  async ask(order: Order): Promise<Answer> {
    if (!this.#child.connected) throw new Error(`${this.#name} is not there any more`)
    const answer = await new Promise<Answer | Error>((resolve) => {
      this.#waiting.push(resolve)
      this.#child.send(order)
    })
    if (answer instanceof Error) throw answer
    return answer
  }

  close(): void {
    if (this.#child.connected) this.#child.disconnect()
  }
}
