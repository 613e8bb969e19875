import { readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { CarillonError } from '../base/errors.ts'
import { isLoopback, isLoopbackHostHeader } from '../base/loopback.ts'
import type { EdgeContext } from './context.ts'
import type { Exchange, Headers } from './exchange.ts'
import type { Request } from './listener.ts'
import { quote } from './query.ts'
import type { Route } from './router.ts'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
}

const folder = new URL('./page/', import.meta.url)

/**
 * Returns routes that serve the try-it page on `/` from memory; none unless `dev` is set on a
 * loopback listener.
 */
export function pageRoutes(context: EdgeContext): Route[] {
  const { dev, host } = context.options
  if (!dev || !isLoopback(host)) return []
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile())
  return files.filter(({ name }) => extname(name) in types).map(({ name }) => fileRoute(name))
}

function fileRoute(name: string): Route {
  const body = readFileSync(new URL(name, folder))
  const serve = (exchange: Exchange, req: Request): void => {
    const host = req.getHeader('host')
    checkHost(host)
    exchange.answer(200, fileHeaders(types[extname(name)]!, host), body)
  }
  return { path: name === 'index.html' ? '/' : `/${name}`, methods: { GET: serve, HEAD: serve } }
}

function fileHeaders(type: string, host: string): Headers {
  // Not every browser counts ws:// as 'self'. `checkHost` has made sure that the host names the
  // loopback.
  const policy =
    `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws://${host} wss://${host}; ` +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
  return [
    ['Content-Type', type],
    ['Content-Security-Policy', policy],
    ['Referrer-Policy', 'no-referrer'],
  ]
}

function checkHost(host: string): void {
  if (isLoopbackHostHeader(host)) return
  throw new CarillonError('not_found', `expected a Host header that names the loopback, got ${quote(host)}`)
}
