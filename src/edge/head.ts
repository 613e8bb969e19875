import { CarillonError } from '../base/errors.ts'
import type { Exchange } from './exchange.ts'
import type { Request } from './listener.ts'

/**
 * Throws `bad_request` for a head that two readers can understand in two ways: uWS takes the first of two Content-Lengths and of two Hosts, and any
 * Transfer-Encoding for `chunked`. A proxy in front that takes another one sees another end of the body, and hides a request behind it.
 * docs/security.md has what uWS's parser does before this.
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
  const said = 'expected at most one Host, one Content-Length and one Transfer-Encoding, which is chunked'
  throw new CarillonError('bad_request', `${said}: the request can be understood in two ways`)
}
