import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { endsWithThis } from '../../support/running.ts'

const carillon = fileURLToPath(new URL('../../../bin/carillon', import.meta.url))

interface Runner {
  readonly program?: string | undefined
  /** The user that runs it, which only root may choose. */
  readonly as?: { readonly uid: number; readonly gid: number } | undefined
}

const scripts = new URL('../../../scripts/', import.meta.url)

/** A run of `scripts/NAME.ts`. */
export function runScript(name: string, ...options: readonly string[]): Run {
  const file = fileURLToPath(new URL(`${name}.ts`, scripts))
  return new Run(['--disable-warning=ExperimentalWarning', file, ...options], '.', {}, { program: process.execPath })
}

/** One run of a program, `bin/carillon` unless another is named, and what it wrote. */
export class Run {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly ended: Promise<number | NodeJS.Signals>

  constructor(
    args: readonly string[],
    cwd: string,
    env: Record<string, string> = {},
    { program = carillon, as }: Runner = {},
  ) {
    const { CARILLON_CONFIG: _, ...own } = process.env
    this.child = spawn(program, args, { cwd, stdio: 'pipe', env: { ...own, ...env }, ...as })
    endsWithThis(this.child)
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    // What it has not read when it ends is its own affair.
    this.child.stdin!.on('error', () => {})
    this.ended = once(this.child, 'close').then(([code, signal]) => code ?? signal)
  }

  get lines(): string[] {
    return this.stdout.split('\n').slice(0, -1)
  }

  /** What `subscribe --json` wrote. */
  // biome-ignore lint/suspicious/noExplicitAny: the test knows what it published
  get events(): any[] {
    return this.lines.map((line) => JSON.parse(line).event)
  }

  get texts(): string[] {
    return this.events.map(({ text }) => text)
  }
}
