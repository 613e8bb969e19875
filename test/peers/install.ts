import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/**
 * The peers' packages, and the clients and proxies of the suites on real processes, in a folder of their own: they are no dependencies of
 * this project.
 */
export const packages = { ws: '8.23.0', 'socket.io': '4.8.4' } as const
export type PeerPackage = keyof typeof packages

const root = fileURLToPath(new URL('../..', import.meta.url))
const peersHome = join(root, '.cache/peers')
const nginxHome = join(peersHome, 'nginx')
const nginxPackages = ['nginx', 'libnginx-mod-nchan'] as const
const haproxyHome = join(peersHome, 'haproxy')
const haproxyPackages = ['haproxy', 'liblua5.3-0', 'libopentracing-c-wrapper0', 'libopentracing1'] as const
const pythonHome = join(peersHome, 'python')
const pythonPackages = [
  'requests==2.34.2',
  'urllib3==2.8.0',
  'sseclient-py==1.9.0',
  'httpx==0.28.1',
  'httpx-sse==0.4.3',
]
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

/** HAProxy, unpacked beside the system's, and where the libraries are that it wants; undefined = it is not there. */
export function installedHaproxy(): { haproxy: string; libraries: string } | undefined {
  const haproxy = join(haproxyHome, 'usr/sbin/haproxy')
  const libraries = readdirIf(join(haproxyHome, 'usr/lib')).find((name) => name.endsWith('-linux-gnu'))
  if (!existsSync(haproxy) || libraries === undefined) return undefined
  return { haproxy, libraries: join(haproxyHome, 'usr/lib', libraries) }
}

/** The folder of the Python packages; undefined = they are not installed. */
export function installedPython(): string | undefined {
  const names = pythonPackages.map((each) => `${each.replace('==', '-').replaceAll(/-(?!\d)/g, '_')}.dist-info`)
  const there = readdirIf(pythonHome)
  return names.every((name) => there.includes(name)) ? pythonHome : undefined
}

const readdirIf = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : [])

/** Fetches what can be fetched; what can't is told, and its peer is left out. */
export async function installPeers(progress: (line: string) => void): Promise<void> {
  mkdirSync(peersHome, { recursive: true })
  await tried('ws and socket.io', installPackages, progress)
  await tried('nginx with nchan', installNchan, progress)
  await tried('HAProxy', installHaproxy, progress)
  await tried('Python clients', installPython, progress)
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

async function installNchan(progress: (line: string) => void): Promise<void> {
  if (installedNchan() === undefined) await unpack(nginxHome, nginxPackages, progress)
}

async function installHaproxy(progress: (line: string) => void): Promise<void> {
  if (installedHaproxy() === undefined) await unpack(haproxyHome, haproxyPackages, progress)
}

/** From the system's own package source, without installing anything into the system. */
async function unpack(home: string, names: readonly string[], progress: (line: string) => void): Promise<void> {
  progress(`fetching ${names.join(', ')} with apt-get into ${home} ...`)
  mkdirSync(home, { recursive: true })
  await run('apt-get', ['download', ...names], { cwd: home })
  for (const file of readdirSync(home).filter((name) => name.endsWith('.deb'))) {
    await run('dpkg-deb', ['-x', file, '.'], { cwd: home })
  }
}

async function installPython(progress: (line: string) => void): Promise<void> {
  if (installedPython() !== undefined) return
  progress(`installing ${pythonPackages.join(', ')} into ${pythonHome} ...`)
  const options = ['--quiet', '--disable-pip-version-check', '--no-compile', '--upgrade', '--target', pythonHome]
  await run('python3', ['-m', 'pip', 'install', ...options, ...pythonPackages])
}
