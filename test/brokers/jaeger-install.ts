import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The one version that the tests are written against. */
export const jaegerVersion = '1.76.0'
const jaegerModule = 'github.com/jaegertracing/jaeger'

const root = fileURLToPath(new URL('../..', import.meta.url))
const home = join(root, '.cache/jaeger-1.76')

export const jaegerHome = {
  binary: join(home, 'jaeger'),
  /** Where a Jaeger of `scripts/jaeger.ts start` has its configuration, pid and log. */
  data: join(root, '.cache/jaeger-data'),
} as const

export function jaegerInstalled(): boolean {
  return existsSync(jaegerHome.binary)
}

/** What this machine lacks to build Jaeger; undefined when it has all. */
export function missingGo(): string | undefined {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'Go is not installed (https://go.dev/dl)'
  }
}

/**
 * Builds Jaeger unless it is there; `progress` gets a line a step. As a main module of our own that has Jaeger's go.mod: its
 * `replace` lines count only there, and `go install` refuses a module that has some. Throws when a step fails.
 */
export async function installJaeger(progress: (line: string) => void): Promise<void> {
  if (jaegerInstalled()) return
  const lacking = missingGo()
  if (lacking !== undefined) throw new Error(lacking)
  const build = join(home, 'build')
  rmSync(build, { recursive: true, force: true })
  mkdirSync(build, { recursive: true })
  progress(`fetching the sources of Jaeger ${jaegerVersion} ...`)
  const { Dir: sources } = JSON.parse(
    await go(build, ['mod', 'download', '-json', `${jaegerModule}@v${jaegerVersion}`]),
  )
  const goMod = readFileSync(join(sources, 'go.mod'), 'utf8')
  writeFileSync(join(build, 'go.mod'), goMod.replace(/^module .*/m, 'module carillon.test/jaeger'))
  copyFileSync(join(sources, 'go.sum'), join(build, 'go.sum'))
  // The copy keeps the module cache's read-only mode, and go adds its own line.
  execFileSync('chmod', ['u+w', join(build, 'go.sum')])
  await go(build, ['mod', 'edit', '-require', `${jaegerModule}@v${jaegerVersion}`])
  progress('building it (about four minutes on two cores, once) ...')
  const flags = ['-mod=mod', '-trimpath', '-ldflags', '-s -w', '-o', join(build, 'jaeger')]
  await go(build, ['build', ...flags, `${jaegerModule}/cmd/jaeger`])
  renameSync(join(build, 'jaeger'), jaegerHome.binary)
  rmSync(build, { recursive: true, force: true })
}

/** Runs to the end and returns its output; its errors are shown only when it fails. */
function go(cwd: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('go', args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let errors = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-8192)
    })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(output)
      else reject(new Error(`go ${args.join(' ')} ended with ${code}:\n${errors}`))
    })
  })
}
