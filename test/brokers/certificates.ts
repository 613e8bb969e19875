import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** PEM files of one certificate; `bundle` is key and certificate in one, as Kafka's PEM key stores are. */
export interface Certificate {
  readonly cert: string
  readonly key: string
  readonly bundle: string
}

export interface CertificateRequest {
  /** The common name. */
  readonly name: string
  /** Subject alternative names as OpenSSL writes them: `DNS:localhost,IP:127.0.0.1`. */
  readonly for?: string
  /** Its last day was yesterday. */
  readonly expired?: boolean
}

/** Why no certificates can be made here; undefined when they can. */
export function opensslMissing(): string | undefined {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'openssl is not installed (Debian: openssl)'
  }
}

/** An authority of its own, whose certificates are files in `dir`. */
export class Authority {
  /** The authority's own certificate. */
  readonly cert: string
  readonly #key: string
  readonly #dir: string
  readonly #name: string

  constructor(dir: string, name: string) {
    this.#dir = dir
    this.#name = name
    this.cert = join(dir, `${name}.pem`)
    this.#key = join(dir, `${name}.key`)
    const subject = ['-subj', `/CN=${name}`, '-days', '30', '-addext', 'basicConstraints=critical,CA:TRUE']
    openssl('req', '-x509', ...newKey, '-keyout', this.#key, '-out', this.cert, ...subject)
  }

  issue({ name, for: names, expired }: CertificateRequest): Certificate {
    const at = (ending: string) => join(this.#dir, `${this.#name}-${name}.${ending}`)
    const [cert, key, bundle, request, extensions] = [at('pem'), at('key'), at('bundle'), at('csr'), at('ext')]
    openssl('req', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${name}`)
    writeFileSync(extensions, names === undefined ? '' : `subjectAltName=${names}\n`)
    const days = ['-days', expired === true ? '-1' : '30', '-extfile', extensions]
    const signed = openssl(
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      this.cert,
      '-CAkey',
      this.#key,
      '-CAcreateserial',
      ...days,
    )
    writeFileSync(cert, signed)
    writeFileSync(bundle, Buffer.concat([openssl('pkcs8', '-topk8', '-nocrypt', '-in', key), signed]))
    return { cert, key, bundle }
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

function openssl(...args: string[]): Buffer {
  return execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] })
}
