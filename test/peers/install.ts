import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** The peers' packages, in a folder of their own: they are no dependencies of this project. */
export const packages = { ws: '8.23.0', 'socket.io': '4.8.4' } as const
export type PeerPackage = keyof typeof packages

const root = fileURLToPath(new URL('../..', import.meta.url))
const peersHome = join(root, '.cache/peers')
const nginxHome = join(peersHome, 'nginx')
const nginxPackages = ['nginx', 'libnginx-mod-nchan'] as const
const run = promisify(execFile)

/** The folder whose packages have it; undefined = it is not installed. `ws` is also a package of this project's tests. */
export function homeOf(name: PeerPackage): string | undefined {
  return [peersHome, root].find((home) => versionIn(home, name) === packages[name])
}

function versionIn(home: string, name: PeerPackage): string | undefined {
  const file = join(home, 'node_modules', name, 'package.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : undefined
}

/** nginx and its nchan module, unpacked beside the system's; undefined = they are not there. */
export function installedNchan(): { nginx: string; module: string } | undefined {
  const nginx = join(nginxHome, 'usr/sbin/nginx')
  const module = join(nginxHome, 'usr/lib/nginx/modules/ngx_nchan_module.so')
  return existsSync(nginx) && existsSync(module) ? { nginx, module } : undefined
}

/** Fetches what can be fetched; what can't is told, and its peer is left out. */
export async function installPeers(progress: (line: string) => void): Promise<void> {
  mkdirSync(peersHome, { recursive: true })
  await tried('ws and socket.io', installPackages, progress)
  await tried('nginx with nchan', installNchan, progress)
}

async function tried(
  what: string,
  install: (progress: (line: string) => void) => Promise<void>,
  progress: (line: string) => void,
): Promise<void> {
  try {
    await install(progress)
  } catch (error) {
    progress(`${what} could not be installed and will be left out: ${(error as Error).message.trim()}`)
  }
}

async function installPackages(progress: (line: string) => void): Promise<void> {
  const names = Object.keys(packages) as PeerPackage[]
  if (names.every((name) => versionIn(peersHome, name) === packages[name])) return
  progress(`installing ${names.join(' and ')} into ${peersHome} ...`)
  writeFileSync(join(peersHome, 'package.json'), JSON.stringify({ private: true, dependencies: packages }))
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: peersHome })
}

/** From the system's own package source, without installing anything into the system. */
async function installNchan(progress: (line: string) => void): Promise<void> {
  if (installedNchan() !== undefined) return
  progress(`fetching ${nginxPackages.join(' and ')} with apt-get into ${nginxHome} ...`)
  mkdirSync(nginxHome, { recursive: true })
  await run('apt-get', ['download', ...nginxPackages], { cwd: nginxHome })
  for (const file of readdirSync(nginxHome).filter((name) => name.endsWith('.deb'))) {
    await run('dpkg-deb', ['-x', file, '.'], { cwd: nginxHome })
  }
}
