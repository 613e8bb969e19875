import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, cpSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { assignments, exec, type Instruction, type Stage } from '../../deploy/dockerfile.ts'

/**
 * Carries out a Dockerfile without Docker: each stage is a folder that stands for the root of its file system, and commands run in it by
 * this host's shell, so they must name no absolute path. What base images bring has to be here already.
 */
export interface Image {
  /** The folder that stands for `/`. */
  readonly root: string
  readonly workdir: string
  readonly env: Readonly<Record<string, string>>
  readonly user: Identity
  /** Entry point and command, the program as a path of this host. */
  readonly command: readonly string[]
  readonly healthcheck: readonly string[]
}

/** Whom a command runs as; undefined where this process may not change that. */
export type Identity = { readonly uid: number; readonly gid: number } | undefined

export interface BuildOptions {
  readonly context: string
  readonly scratch: string
  /** Of the commands, beside the stage's own. */
  readonly env: NodeJS.ProcessEnv
  /** Who runs the commands: no root, so that none of them can need it. */
  readonly builder: Identity
}

export async function build(stages: readonly Stage[], options: BuildOptions): Promise<Image> {
  const roots = new Map<string, string>()
  for (const [i, stage] of stages.entries()) {
    const root = join(options.scratch, stage.name ?? `stage-${i}`)
    mkdirSync(root, { recursive: true })
    roots.set(stage.name ?? '', root)
    const hasCommands = stage.instructions.some(({ keyword }) => keyword === 'RUN')
    const building = new Building(root, roots, hasCommands ? options : { ...options, builder: undefined })
    for (const instruction of stage.instructions) await building.run(instruction)
    if (i === stages.length - 1) return building.image()
  }
  throw new Error('expected a stage, got none')
}

class Building {
  readonly #root: string
  readonly #roots: ReadonlyMap<string, string>
  readonly #options: BuildOptions
  readonly #env: Record<string, string> = {}
  #workdir = '/'
  #user: Identity
  #entrypoint: string[] = []
  #command: string[] = []
  #healthcheck: string[] = []

  constructor(root: string, roots: ReadonlyMap<string, string>, options: BuildOptions) {
    this.#root = root
    this.#roots = roots
    this.#options = options
  }

  async run({ keyword, text, flags }: Instruction): Promise<void> {
    switch (keyword) {
      case 'WORKDIR':
        this.#workdir = text
        mkdirSync(this.#host(text), { recursive: true })
        own(this.#host(text), this.#options.builder)
        return
      case 'COPY':
        this.#copy(text.split(/\s+/), flags)
        return
      case 'RUN':
        await this.#shell(text)
        return
      case 'ENV':
        Object.assign(this.#env, assignments(text))
        return
      case 'USER':
        this.#user = identity(text)
        return
      case 'ENTRYPOINT':
        this.#entrypoint = exec(text)
        return
      case 'CMD':
        this.#command = exec(text)
        return
      case 'HEALTHCHECK':
        this.#healthcheck = exec(text.replace(/^CMD /, ''))
        return
      default:
        assert.ok(['LABEL', 'EXPOSE', 'VOLUME', 'STOPSIGNAL'].includes(keyword), `${keyword} is not carried out here`)
    }
  }

  image(): Image {
    const [program, ...rest] = [...this.#entrypoint, ...this.#command]
    return {
      root: this.#root,
      workdir: this.#host(this.#workdir),
      env: Object.fromEntries(Object.entries(this.#env).map(([name, value]) => [name, this.#mapped(value)])),
      user: this.#user,
      command: [this.#host(program!), ...rest],
      healthcheck: this.#healthcheck,
    }
  }

  #host(path: string): string {
    return path.startsWith('/') ? join(this.#root, path) : join(this.#root, this.#workdir, path)
  }

  /** A value that names a file of the image. */
  #mapped(value: string): string {
    return value.startsWith('/') && existsSync(this.#host(value)) ? this.#host(value) : value
  }

  /** As COPY does: into a folder where the target ends in `/`, else to the target's name. */
  #copy(words: readonly string[], flags: Readonly<Record<string, string>>): void {
    const target = words.at(-1)!
    const from = flags.from === undefined ? this.#options.context : this.#roots.get(flags.from)!
    for (const source of words.slice(0, -1)) {
      const to = target.endsWith('/') ? join(this.#host(target), source.split('/').at(-1)!) : this.#host(target)
      mkdirSync(dirname(to), { recursive: true })
      cpSync(join(from, source), to, { recursive: true, verbatimSymlinks: true })
      own(to, flags.chown === undefined ? this.#options.builder : identity(flags.chown))
    }
  }

  async #shell(script: string): Promise<void> {
    const cwd = this.#host(this.#workdir)
    const env = { ...this.#options.env, ...this.#env }
    const child = spawn('sh', ['-c', script], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], ...this.#options.builder })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk
      })
    }
    const [code] = await once(child, 'close')
    assert.equal(code, 0, `${script}\n${output}`)
  }
}

function own(path: string, who: Identity): void {
  if (who === undefined || process.getuid!() !== 0) return
  chownSync(path, who.uid, who.gid)
  if (statSync(path).isDirectory()) for (const name of readdirSync(path)) own(join(path, name), who)
}

/** `10001:10001`; only root can become somebody else. */
export function identity(text: string): Identity {
  const [uid, gid] = text.split(':').map(Number)
  return process.getuid!() === 0 ? { uid: uid!, gid: gid! } : undefined
}
