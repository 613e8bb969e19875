import { join, resolve } from 'node:path'
import type { LoopClock } from '../base/clock.ts'
import { CarillonError } from '../base/errors.ts'
import type { Source, SourceContext } from './source.ts'

/** The contents of a broker URL. */
export type BrokerUrl =
  | { readonly kind: 'kafka'; readonly brokers: readonly string[] }
  | { readonly kind: 'embedded'; readonly dir: string }
  | { readonly kind: 'nats'; readonly servers: readonly string[]; readonly tls: boolean }

/** The context that every adapter takes. */
export interface OpenContext extends SourceContext {
  readonly clock?: LoopClock
}

/** Options of each adapter, excluding those that the URL contains. */
export interface OpenOptions {
  readonly kafka?: Partial<Parameters<typeof import('./kafka/source.ts')['openKafka']>[0]>
  readonly nats?: Partial<Parameters<typeof import('./jetstream/source.ts')['openNats']>[0]>
  readonly embedded?: Omit<Parameters<typeof import('./embedded/open.ts')['openEmbedded']>[0], 'dir'>
}

const accepted = '"kafka://HOST:PORT[,HOST:PORT]…", "nats://HOST:PORT[,HOST:PORT]…" (or tls://) or "embedded:DIRECTORY"'
const ports = { 'kafka://': 9092, 'nats://': 4222, 'tls://': 4222 } as const

/**
 * Parses `kafka://h:9092,h2` (port 9092 by default), `nats://h:4222,h2` or `tls://h` (port 4222
 * by default), or `embedded:DIR` (relative to the working directory). Throws `bad_request`.
 */
export function parseBrokerUrl(text: string): BrokerUrl {
  if (text.startsWith('kafka://')) return { kind: 'kafka', brokers: parseHosts(text, 'kafka://') }
  if (text.startsWith('nats://')) return { kind: 'nats', servers: parseHosts(text, 'nats://'), tls: false }
  if (text.startsWith('tls://')) return { kind: 'nats', servers: parseHosts(text, 'tls://'), tls: true }
  if (text.startsWith('embedded:')) {
    const dir = text.slice('embedded:'.length)
    if (dir.trim() === '') throw badUrl(text, 'it names no directory')
    return { kind: 'embedded', dir: resolve(dir) }
  }
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]
  throw badUrl(text, scheme === undefined ? 'it has no scheme' : `"${scheme}" is no broker that Carillon can read`)
}

/**
 * Returns the Unix socket, beside an embedded log, on which the gateway that has the log open
 * takes commands of its own user; undefined for other brokers. Throws `bad_request`.
 */
export function localSocket(url: string): string | undefined {
  const broker = parseBrokerUrl(url)
  return broker.kind === 'embedded' ? join(broker.dir, 'gateway.sock') : undefined
}

/**
 * Opens the broker that `url` names, and loads only its adapter. Kafka and NATS resolve at once,
 * even if they cannot be reached. The embedded log rejects if its directory is in use or
 * unusable. Throws `bad_request` for an invalid URL.
 */
export async function openSource(url: string, context: OpenContext, options: OpenOptions = {}): Promise<Source> {
  const broker = parseBrokerUrl(url)
  if (broker.kind === 'embedded') {
    const { openEmbedded } = await import('./embedded/open.ts')
    return openEmbedded({ ...options.embedded, dir: broker.dir }, context)
  }
  if (broker.kind === 'nats') {
    const { openNats } = await import('./jetstream/source.ts')
    const files = Object.values(options.nats?.tls ?? {}).filter((file) => file !== undefined)
    const tls = files.length > 0 ? options.nats?.tls : broker.tls ? true : undefined
    return openNats({ ...options.nats, servers: [...broker.servers], tls }, context)
  }
  const { openKafka } = await import('./kafka/source.ts')
  return openKafka({ ...options.kafka, brokers: [...broker.brokers] }, context)
}

/** A name or IPv4 address, or an IPv6 address in brackets; then an optional port. */
const host = /^([^\s:[\]@/?#]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i

function parseHosts(text: string, scheme: keyof typeof ports): string[] {
  const authority = text.slice(scheme.length).replace(/\/$/, '')
  // The text before an "@" may contain a password, so the error does not repeat it.
  if (authority.includes('@')) throw badUrl(`${scheme}…@…`, 'credentials belong into the configuration file')
  return authority.split(',').map((part) => {
    const match = host.exec(part.trim())
    const port = Number(match?.[2] ?? ports[scheme])
    if (match === null || port < 1 || port > 65_535) throw badUrl(text, `"${part}" is no HOST:PORT`)
    return `${match[1]}:${port}`
  })
}

const badUrl = (text: string, why: string) =>
  new CarillonError('bad_request', `expected a broker as ${accepted}, got ${JSON.stringify(text)}: ${why}`)
