import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The version that is installed; any from 2.10 on that is on the PATH serves too. */
export const natsVersion = '2.15.2'
const oldest = [2, 10] as const

const root = fileURLToPath(new URL('../..', import.meta.url))
const home = join(root, `.cache/nats-${natsVersion}`)
const installed = join(home, 'nats-server')

/** Data of a server that runs on after the script. */
export const natsData = join(root, '.cache/nats-data')

/** The server to run; undefined when there is none. */
export function natsServer(): string | undefined {
  if (existsSync(installed)) return installed
  const [, major, minor] = /v(\d+)\.(\d+)/.exec(output('nats-server', '--version') ?? '') ?? []
  if (major === undefined || Number(major) < oldest[0]) return undefined
  return Number(major) > oldest[0] || Number(minor) >= oldest[1] ? 'nats-server' : undefined
}

/** What is missing to install it; undefined when nothing is. */
export function missingGo(): string | undefined {
  return output('go', 'version') === undefined
    ? 'it needs Go 1.25 or later, or a nats-server 2.10 or later on the PATH'
    : undefined
}

/** Builds the server from its module, once; about a minute. */
export async function installNats(progress: (line: string) => void): Promise<void> {
  if (natsServer() !== undefined) return
  const lacking = missingGo()
  if (lacking !== undefined) throw new Error(`nats-server can't be installed: ${lacking}`)
  progress(`building nats-server ${natsVersion} into ${home} (about a minute) ...`)
  mkdirSync(home, { recursive: true })
  const build = spawn('go', ['install', `github.com/nats-io/nats-server/v2@v${natsVersion}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, GOBIN: home },
  })
  let said = ''
  build.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const code = await new Promise((resolve) => build.once('close', resolve))
  if (code !== 0) throw new Error(`go install ended with ${code}:\n${said.slice(-2000)}`)
}

function output(program: string, argument: string): string | undefined {
  try {
    return execFileSync(program, [argument], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return undefined
  }
}
