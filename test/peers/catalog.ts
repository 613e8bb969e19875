import { execFileSync } from 'node:child_process'
import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openBroker } from '../../src/bench/carillon/broker-way.ts'
import { CarillonTarget } from '../../src/bench/carillon/target.ts'
import type { Target } from '../../src/bench/load/target.ts'
import type { RealBroker } from '../brokers/brokers.ts'
import { natsServer } from '../brokers/nats-install.ts'
import { homeOf, installedNchan, type PeerPackage, packages } from './install.ts'
import { Peer, versionOf } from './peer.ts'
import { brokerPids, brokerWay, type PeerSite, topic } from './site.ts'

/** Binaries that are measured where a path to them is given. */
export interface Binaries {
  readonly centrifugo?: string | undefined
  readonly mercure?: string | undefined
}

/** Who is measured: how it is started, and why it can't be. */
export interface Entry {
  readonly id: string
  /** undefined = it can be measured. */
  readonly lacks: string | undefined
  /** A target that has not been started; its broker has. */
  make(site: PeerSite): Promise<Target>
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))
/** As `bin/carillon` starts the gateway, so that a difference is none of V8's settings. */
const nodeOptions = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=32']
const node = (file: string, ...args: (string | number)[]): [string, ...string[]] => [
  process.execPath,
  ...nodeOptions,
  here(file),
  ...args.map(String),
]

export function catalog(site: PeerSite, binaries: Binaries): Entry[] {
  return [
    { id: 'carillon', lacks: site.lacks('kafka'), make: (at) => carillon(at, 'kafka') },
    { id: 'carillon-nats', lacks: site.lacks('nats'), make: (at) => carillon(at, 'nats') },
    { id: 'bare', lacks: site.lacks('kafka'), make: (at) => bare(at, 'kafka') },
    { id: 'nats', lacks: site.lacks('nats'), make: natsWebSocket },
    { id: 'ws', lacks: lacksPackage('ws'), make: wsServer },
    { id: 'socketio', lacks: lacksPackage('socket.io'), make: socketioServer },
    { id: 'nchan', lacks: lacksNchan(), make: nchan },
    ...([true, false] as const).map((history) => ({
      id: history ? 'centrifugo-history' : 'centrifugo',
      lacks: binaries.centrifugo === undefined ? 'give its binary by --centrifugo PATH' : undefined,
      make: (at: PeerSite) => centrifugo(at, binaries.centrifugo!, history),
    })),
    ...([true, false] as const).map((history) => ({
      id: history ? 'mercure-history' : 'mercure',
      lacks: binaries.mercure === undefined ? 'give its binary by --mercure PATH' : undefined,
      make: (at: PeerSite) => mercure(at, binaries.mercure!, history),
    })),
  ]
}

const notInstalled = 'it is not installed: run `$(bin/find-node) scripts/peers.ts install`'
/** Its folder for temporary files is made by `unshare --mount`, see below. */
const lacksNchan = () => {
  if (installedNchan() === undefined) return notInstalled
  return process.getuid?.() === 0 ? undefined : 'it can only be started by root'
}
const lacksPackage = (name: PeerPackage) => (homeOf(name) === undefined ? notInstalled : undefined)

/** A gateway with its defaults, protobuf over WebSocket. */
export async function carillon(site: PeerSite, kind: RealBroker, named = topic): Promise<Target> {
  const broker = brokerWay(await site.broker(kind), named)
  const root = JSON.parse(readFileSync(here('../../package.json'), 'utf8'))
  return new CarillonTarget({
    version: `${root.version} on ${kind === 'kafka' ? 'Kafka' : 'NATS'}`,
    transport: 'ws',
    codec: 'protobuf',
    tls: false,
    running: [],
    admins: [],
    gateways: 1,
    firstPort: site.ports(),
    broker,
    gatewayOptions: { streams: broker.streams },
  })
}

/** See bare-server.ts. */
export async function bare(site: PeerSite, kind: RealBroker, named = topic): Promise<Target> {
  const url = await site.broker(kind)
  const port = site.ports()
  const way = brokerWay(url, named)
  // It has no answer to a topic that is missing.
  await (await openBroker(way)).source.close()
  return new Peer({
    name: `bare uWebSockets.js on ${kind === 'kafka' ? 'Kafka' : 'NATS'}`,
    settings: { reader: "Carillon's", compression: false, broker: url },
    conversation: 'plain',
    way: 'broker',
    wayTarget: way,
    port,
    command: node('bare-server.ts', port, url, named),
    broker: () => brokerPids(url),
  })
}

async function natsWebSocket(site: PeerSite): Promise<Target> {
  const port = site.ports()
  const file = join(site.dir, `nats-websocket-${port}.conf`)
  const listen = `listen: "127.0.0.1:${port + 1}"\n`
  writeFileSync(file, `${listen}websocket { listen: "127.0.0.1:${port}", no_tls: true, compression: false }\n`)
  return new Peer({
    name: `nats-server ${versionOf(natsServer()!, '--version')}`,
    settings: { websocket: 'no TLS, no compression', log: 'none: core NATS, at most once', auth: 'none' },
    conversation: 'nats',
    way: 'nats',
    wayTarget: { host: '127.0.0.1', port: port + 1, tls: false },
    port,
    command: [natsServer()!, '-c', file],
  })
}

async function wsServer(site: PeerSite): Promise<Target> {
  const settings = { perMessageDeflate: false, clientTracking: false, fanout: 'a Map of Sets, text frames' }
  return ofPackage(site, 'ws', { conversation: 'plain', file: 'ws-server.ts', settings })
}

async function socketioServer(site: PeerSite): Promise<Target> {
  const settings = { transports: 'websocket', perMessageDeflate: false, serveClient: false, fanout: 'rooms, objects' }
  return ofPackage(site, 'socket.io', { conversation: 'socketio', file: 'socketio-server.ts', settings })
}

interface OwnServer {
  readonly conversation: string
  readonly file: string
  readonly settings: Readonly<Record<string, unknown>>
}

function ofPackage(site: PeerSite, name: PeerPackage, { conversation, file, settings }: OwnServer): Target {
  const port = site.ports()
  return new Peer({
    name: `${name} ${packages[name]}`,
    settings: { ...settings, publishing: 'batches over one TCP connection', log: 'none: at most once' },
    conversation,
    way: 'batch',
    wayTarget: { host: '127.0.0.1', port: port + 1, tls: false },
    port,
    command: node(file, port, port + 1, homeOf(name)!),
    environment: { NODE_ENV: 'production' },
  })
}

/** Messages that are kept for each channel, and how long, where a peer has a history. */
const history = { messages: 100, seconds: 300 } as const

async function nchan(site: PeerSite): Promise<Target> {
  const port = site.ports()
  const { nginx, module } = installedNchan()!
  const dir = join(site.dir, `nginx-${port}`)
  mkdirSync(dir)
  const file = join(dir, 'nginx.conf')
  writeFileSync(file, nginxConf(port, module))
  return new Peer({
    name: `nchan on nginx ${versionOf(nginx, '-v')}`,
    settings: {
      worker_processes: 'auto',
      storage: 'memory',
      ...history,
      publishing: 'HTTP, pipelined on 4 connections',
    },
    conversation: 'nchan',
    way: 'nchan',
    wayTarget: { host: '127.0.0.1', port, tls: false },
    port,
    command: ['unshare', ...alone, 'sh', '-c', inOwnVarLib, nginx, '-p', dir, '-c', file, '-e', join(dir, 'error.log')],
  })
}

/**
 * nchan's own temporary folder can't be set (1.3.6 takes the directive for a duplicate): it gets a /var/lib of its own instead,
 * and processes that end with the first of them, however that ends.
 */
const alone = ['--mount', '--pid', '--fork', '--kill-child'] as const
const inOwnVarLib = 'mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/nginx && exec "$0" "$@"'

const nginxConf = (port: number, module: string) => `load_module ${module};
daemon off;
user root;
worker_processes auto;
worker_rlimit_nofile 65536;
pid nginx.pid;
error_log error.log;
events { worker_connections 32768; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  nchan_shared_memory_size 1024M;
  nchan_message_buffer_length ${history.messages};
  nchan_message_timeout ${history.seconds}s;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    tcp_nodelay on;
    location ~ ^/sub/(.+)$ { nchan_subscriber websocket; nchan_channel_id $1; }
    location ~ ^/pub/(.+)$ { nchan_publisher http; nchan_channel_id $1; }
  }
}
`

async function centrifugo(site: PeerSite, binary: string, withHistory: boolean): Promise<Target> {
  const port = site.ports()
  const file = join(site.dir, `centrifugo-${port}.json`)
  const { messages, seconds } = history
  const kept = withHistory ? { history_size: messages, history_ttl: `${seconds}s`, force_recovery: true } : {}
  const config = {
    http_server: { address: '127.0.0.1', port: String(port) },
    client: { insecure: true },
    http_api: { insecure: true },
    channel: { without_namespace: { ...kept, allow_subscribe_for_client: true } },
    log: { level: 'error' },
  }
  writeFileSync(file, JSON.stringify(config))
  return new Peer({
    name: `Centrifugo ${versionOf(binary, 'version')}${withHistory ? ' with history' : ''}`,
    settings: { protocol: 'JSON', compression: false, engine: 'memory', ...kept, publishing: 'HTTP API, batches' },
    conversation: 'centrifugo',
    way: 'centrifugo',
    wayTarget: { host: '127.0.0.1', port, tls: false },
    port,
    command: [binary, '--config', file],
  })
}

/** Mercure 1.0 with its default transport, a file, and without a history; 0.x has other directives and other tokens. */
async function mercure(site: PeerSite, binary: string, withHistory: boolean): Promise<Target> {
  const port = site.ports()
  const origin = `http://127.0.0.1:${port}`
  const file = join(site.dir, `Caddyfile-${port}`)
  const tokenFile = join(site.dir, `mercure-token-${port}`)
  const key = randomBytes(32).toString('hex')
  writeFileSync(tokenFile, `${publisherToken(key, origin)}\n`, { mode: 0o600 })
  const path = join(site.dir, `mercure-${port}.db`)
  const transport = withHistory ? `transport bolt {\n path ${path}\n }` : 'transport local'
  const issuer = `issuer ${origin} {\n publisher {\n jwt ${key} HS256\n }\n }`
  const hub = `mercure {\n ${issuer}\n resource_identifier ${hubOf(origin)}\n anonymous\n ${transport}\n }`
  const global = '{\n admin off\n auto_https off\n persist_config off\n log {\n level ERROR\n }\n}'
  writeFileSync(file, `${global}\n${origin} {\n ${hub}\n}\n`, { mode: 0o600 })
  const kept = withHistory ? 'bolt, its default: a file, synchronised at each update' : 'local: no history'
  return new Peer({
    name: `Mercure ${mercureVersion(binary)}${withHistory ? ' with history' : ''}`,
    settings: {
      transport: kept,
      subscribers: 'anonymous, SSE over HTTP/1.1',
      publishing: 'HTTP, pipelined on 4 connections',
    },
    conversation: 'mercure',
    way: 'mercure',
    wayTarget: { endpoint: { host: '127.0.0.1', port, tls: false }, tokenFile },
    port,
    command: [binary, 'run', '--config', file, '--adapter', 'caddyfile'],
    // Caddy keeps locks and certificates below them.
    environment: { XDG_DATA_HOME: site.dir, XDG_CONFIG_HOME: site.dir },
  })
}

const hubOf = (origin: string) => `${origin}/.well-known/mercure`

/** Its `version` is Caddy's; its own is that of its modules. */
function mercureVersion(binary: string): string {
  const modules = execFileSync(binary, ['list-modules', '--versions'], { encoding: 'utf8' })
  return /^http\.handlers\.mercure v(\S+)/m.exec(modules)?.[1] ?? ''
}

const tokenS = 86_400

/** An access token as Mercure 1.0 wants it (RFC 9068, RFC 9396), HS256: may publish to every topic. */
function publisherToken(key: string, origin: string): string {
  const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const nowS = Math.floor(Date.now() / 1000)
  const grant = { type: 'https://mercure.rocks/authorization-detail', actions: ['publish'], topics: [{ match: '*' }] }
  const claims = {
    ...{ iss: origin, sub: origin, client_id: origin, aud: hubOf(origin), jti: `urn:uuid:${randomUUID()}` },
    ...{ iat: nowS, exp: nowS + tokenS, authorization_details: [grant] },
  }
  const signed = `${encode({ alg: 'HS256', typ: 'at+jwt' })}.${encode(claims)}`
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
}
