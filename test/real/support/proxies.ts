import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeBlocks, readPage, section } from '../../docs/markdown.ts'
import { installedHaproxy, installedNchan } from '../../peers/install.ts'
import { patienceMs } from '../../support/gateway-process.ts'
import { ask } from '../../support/http.ts'
import { until } from '../../support/until.ts'
import { Run } from './run.ts'

export const proxies = ['nginx', 'haproxy'] as const
export type ProxyKind = (typeof proxies)[number]

const notInstalled = 'not installed: make peer-packages'

/** Why it can't be started here; undefined = it can. */
export function lacksProxy(kind: ProxyKind): string | undefined {
  const installed = kind === 'nginx' ? installedNchan() : installedHaproxy()
  return installed === undefined ? `${kind} is ${notInstalled}` : undefined
}

/** Starts one on `port` as docs/operations.md configures it, before a gateway on `gateway`. */
export async function startProxy(kind: ProxyKind, dir: string, port: number, gateway: number): Promise<Run> {
  const home = join(dir, kind)
  mkdirSync(home)
  const file = join(home, 'proxy.conf')
  const [block] = codeBlocks(section(readPage('operations.md'), 'Proxies and balancers'), kind)
  const here = block!.text
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${gateway}`)
    .replace('check port 8081', `check port ${gateway + 1}`)
    .replace('listen 80;', `listen 127.0.0.1:${port};`)
    .replace('bind :80', `bind 127.0.0.1:${port}`)
  writeFileSync(file, kind === 'nginx' ? nginxConf(here) : here)
  const run = kind === 'nginx' ? startNginx(file, home) : startHaproxy(file, home)
  await until(`${kind} passes requests`, patienceMs, async () => {
    if (run.child.exitCode !== null) throw new Error(run.stderr)
    return (await ask(port, '/v1/poll?subject=a').catch(() => undefined))?.status === 200
  })
  return run
}

function startNginx(file: string, home: string): Run {
  return new Run(['-p', home, '-c', file, '-e', 'error.log'], home, {}, { program: installedNchan()!.nginx })
}

function startHaproxy(file: string, home: string): Run {
  const { haproxy, libraries } = installedHaproxy()!
  return new Run(['-db', '-f', file], home, { LD_LIBRARY_PATH: libraries }, { program: haproxy })
}

/** What is written once for a host, around what the page shows. */
const nginxConf = (server: string) => `daemon off;
master_process off;
user root;
pid nginx.pid;
error_log error.log;
events {}
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
${server}
}
`
