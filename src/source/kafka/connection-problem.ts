import { printable } from '../../base/printable.ts'
import type { SecurityOptions } from './security.ts'

/**
 * When a connection failed: before the broker was ready for requests, at the first request, or
 * later.
 */
export type Stage = 'opening' | 'first request' | 'later'

/**
 * An error of kafkajs, or of Node as kafkajs repeats it. `code` is Node's name or the protocol's
 * number.
 */
type Failure = Error & { readonly code?: unknown }

/** The protocol's error codes of SASL (https://kafka.apache.org/protocol#protocol_error_codes). */
export const saslCode = { unsupportedMechanism: 33, illegalState: 34, authenticationFailed: 58 } as const

/**
 * Explains what is wrong with the connection and which option it concerns, for people. Never
 * includes credentials.
 */
export function connectionProblem(error: Failure, stage: Stage, { tls, sasl }: SecurityOptions): string {
  const text = error.message.replace(/^Connection error: /, '').trim()
  if (tls.enabled) {
    const problem = handshakeProblem(String(error.code), text, tls)
    if (problem !== undefined) return problem
  }
  if (error.code === saslCode.illegalState) {
    return 'it does not accept SASL on this port: unset kafka.sasl, or use the port of its SASL listener'
  }
  if (error.name === 'KafkaJSSASLAuthenticationError') return saslProblem(text, sasl)
  if (!closed.test(text)) return text === '' ? String(error.code) : text
  if (stage === 'opening' && !tls.enabled) {
    return 'it closed the connection without an answer: is this port for TLS (kafka.tls.enabled), or not a Kafka broker?'
  }
  if (stage === 'first request' && sasl.mechanism === undefined) {
    return 'it closed the connection at the first request: does this port require a password (kafka.sasl)?'
  }
  return 'it closed the connection'
}

/** Whether the broker rejected our credentials: trying again soon may lock the account. */
export function isRefusal(error: Failure): boolean {
  return error.name === 'KafkaJSSASLAuthenticationError' && !closed.test(error.message)
}

const closed = /closed connection|connection closed/i

/**
 * Node's codes of certificates that lead to no trusted authority (X509_verify_cert_error_string).
 */
const untrusted = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
])

/**
 * TLS alerts about certificates (RFC 8446, section 6.2): bad_certificate to certificate_unknown,
 * unknown_ca, access_denied, certificate_required.
 */
const certificateAlerts = new Set([42, 43, 44, 45, 46, 48, 49, 116])

function handshakeProblem(code: string, text: string, tls: SecurityOptions['tls']): string | undefined {
  if (untrusted.has(code)) {
    const { caFile } = tls
    if (caFile === undefined) {
      return `no authority that this system trusts signed its certificate (${text}): set kafka.tls.caFile to its authority's PEM file`
    }
    return `no authority in kafka.tls.caFile ${caFile} signed its certificate (${text})`
  }
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired: the broker needs a new one'
  if (code === 'CERT_NOT_YET_VALID') return "its certificate is not valid yet: check this host's clock"
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return text
  const alert = /tls(?:v1)?\d* alert ([a-z ]+).*SSL alert number (\d+)/s.exec(text)
  if (alert !== null) return alertProblem(alert[1]!.trim(), Number(alert[2]), tls)
  if (/wrong version number|before secure TLS connection|packet length too long|record layer failure/i.test(text)) {
    return 'it does not use TLS on this port: unset kafka.tls.enabled, or use the port of its TLS listener'
  }
  return undefined
}

function alertProblem(name: string, number: number, { certFile }: SecurityOptions['tls']): string {
  const said = `TLS alert "${name}"`
  if (!certificateAlerts.has(number)) return `it refused the TLS handshake (${said})`
  if (certFile === undefined) {
    return `it asks for a client certificate (${said}): set kafka.tls.certFile and kafka.tls.keyFile`
  }
  return `it refused the client certificate in ${certFile} (${said}): it has expired, or the broker does not trust the authority that signed it`
}

function saslProblem(text: string, { mechanism, username, passwordFile }: SecurityOptions['sasl']): string {
  const how = `user "${username}" by ${mechanism?.toUpperCase()}`
  if (closed.test(text)) return `it closed the connection while authenticating ${how}`
  // kafkajs puts "SASL PLAIN authentication failed: " before what the broker said.
  const said = printable(text.slice(text.indexOf('failed: ') + 'failed: '.length).slice(0, 300))
  return `it refused ${how}: wrong name (kafka.sasl.username) or password (kafka.sasl.passwordFile ${passwordFile}); it said: ${said}`
}

/** Explains that the broker does not offer a mechanism, for people. */
export function mechanismProblem(mechanism: string, offered: readonly string[]): string {
  const list = offered.length === 0 ? '' : `: it offers ${offered.map(printable).join(', ')}`
  return `it does not accept ${mechanism.toUpperCase()} (kafka.sasl.mechanism) on this port${list}`
}

/** Explains that a certificate is for other names than the requested one, for people. */
export function nameProblem(wanted: string, names: string | undefined): string {
  const list = names === undefined || names === '' ? 'it has no names' : `it is for ${printable(names.slice(0, 300))}`
  return `its certificate is not for ${wanted} (${list}): connect by one of its names, or set kafka.tls.serverName to one`
}

/**
 * Upper bound of an answer, bytes. The first answer on a connection may be a fetch's, with a
 * batch as large as the broker accepts. The first bytes of other protocols read as a larger
 * length: TLS (0x15 or 0x16, 3) as at least 336 MiB, "HTTP" as 1.1 GiB.
 */
const maxAnswerBytes = 256 << 20

/**
 * Explains the first bytes of a connection if a Kafka broker cannot have sent them; undefined if
 * it can.
 */
export function strangeAnswer(bytes: Buffer): string | undefined {
  if (bytes.length < 4) return undefined
  const length = bytes.readInt32BE(0)
  if (length >= 4 && length <= maxAnswerBytes) return undefined
  // A TLS record: an alert, which a TLS server sends in answer to anything else, or a handshake.
  if ((bytes[0] === 0x15 || bytes[0] === 0x16) && bytes[1] === 3) {
    return 'it uses TLS on this port: set kafka.tls.enabled, or use the port of its plaintext listener'
  }
  const what = bytes.toString('latin1', 0, 5) === 'HTTP/' ? 'an HTTP server' : 'something else'
  const said = printable(bytes.toString('latin1', 0, 40).split(/[\r\n]/)[0]!)
  return `it is not a Kafka broker but ${what}: it answered ${JSON.stringify(said)}`
}
