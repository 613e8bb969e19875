import { CarillonError } from '../base/errors.ts'
import type { Exchange } from './exchange.ts'
import type { Request } from './listener.ts'

/**
 * Throws `bad_request` for an ambiguous head (request smuggling). uWS uses the first of several
 * Content-Length or Host headers, and treats any Transfer-Encoding as `chunked`. A proxy in front
 * that decides otherwise sees the body end elsewhere, so that a request can be hidden after it.
 * docs/security.md describes the checks that uWS's parser makes before this.
 */
export function checkHead(exchange: Exchange, req: Request): void {
  let hosts = 0
  let lengths = 0
  let codings = 0
  let coding = 'chunked'
  req.forEach((name, value) => {
    if (name === 'host') hosts++
    else if (name === 'content-length') lengths++
    else if (name === 'transfer-encoding') {
      codings++
      coding = value.toLowerCase()
    }
  })
  if (hosts <= 1 && lengths <= 1 && codings <= 1 && coding === 'chunked') return
  exchange.endsConnection = true
  const expected = 'expected at most one Host, one Content-Length and one Transfer-Encoding, which must be chunked'
  throw new CarillonError('bad_request', `${expected}: the request is ambiguous`)
}
