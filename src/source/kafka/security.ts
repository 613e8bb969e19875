import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { isLoopback } from '../../base/loopback.ts'

/** What the options of security name, and what is in their files: credentials stand in files only, never in an option. */

export interface KafkaTls {
  readonly enabled: boolean
  /** PEM file of the authorities that may have signed the brokers' certificates, instead of the system's. */
  readonly caFile?: string | undefined
  /** PEM files of this client's certificate with its chain, and of its private key, where brokers ask for one. */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
  /** The name that brokers' certificates must be for, instead of the host that is connected to. */
  readonly serverName?: string | undefined
}

/** RFC 4616 and RFC 5802, as Kafka spells them. */
export const saslMechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const
export type SaslMechanism = (typeof saslMechanisms)[number]

export interface KafkaSasl {
  /** None = no SASL. */
  readonly mechanism?: SaslMechanism | undefined
  readonly username?: string | undefined
  /** A file with the password and nothing else; one line end behind it doesn't count. */
  readonly passwordFile?: string | undefined
}

export interface SecurityOptions {
  readonly tls: KafkaTls
  readonly sasl: KafkaSasl
}

/** What a connection is made with; read anew for each, so that it is what the files say then. */
export interface Security {
  readonly tls: ConnectionOptions | undefined
  readonly sasl: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string } | undefined
}

/** A mistake in the options or their files: `option` as in `sasl.passwordFile`. It never has a file's content. */
export class SecurityError extends Error {
  readonly option: string
  /** The message without the option. */
  readonly problem: string

  constructor(option: string, problem: string) {
    super(`kafka.${option}: ${problem}`)
    this.name = 'SecurityError'
    this.option = option
    this.problem = problem
  }
}

/** A password or a bundle of certificates is smaller, bytes. */
const maxFileBytes = 1 << 20

/** Throws SecurityErrors: an option that lacks another one, a file that can't be read or is not what it should be. */
export function readSecurity(options: SecurityOptions): Security {
  return { tls: readTls(options.tls), sasl: readSasl(options.sasl) }
}

/** What is to be told of options that are valid and unwise. */
export function securityWarning({ tls, sasl }: SecurityOptions, hosts: readonly string[]): string | undefined {
  const exposed = hosts.filter((host) => !isLoopback(host))
  if (tls.enabled || sasl.mechanism === undefined || exposed.length === 0) return undefined
  const how = sasl.mechanism === 'plain' ? 'the password itself' : 'what a password can be guessed from'
  const name = sasl.mechanism.toUpperCase()
  return `kafka.sasl without kafka.tls.enabled sends ${how} (${name}) and all events in the clear to ${exposed.join(', ')}`
}

function readTls(tls: KafkaTls): ConnectionOptions | undefined {
  const { enabled, caFile, certFile, keyFile, serverName } = tls
  if (!enabled) {
    const given = Object.entries(tls).find(([name, value]) => name !== 'enabled' && value !== undefined)
    if (given === undefined) return undefined
    throw new SecurityError(`tls.${given[0]}`, 'expected kafka.tls.enabled: true beside it, got no TLS')
  }
  if (keyFile === undefined && certFile !== undefined) {
    throw new SecurityError('tls.certFile', 'expected kafka.tls.keyFile, its private key, beside it, got none')
  }
  return {
    ...(caFile === undefined ? {} : { ca: authorities('tls.caFile', caFile) }),
    ...(keyFile === undefined ? {} : clientCertificate(certFile, keyFile)),
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
}

const pemCertificate = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g

/** Node takes what is no certificate for none, without a word. */
function authorities(option: string, file: string): string[] {
  const found = readText(option, file, 'a PEM file with certificates').match(pemCertificate)
  if (found === null) throw unusable(option, file, 'a PEM file with certificates', 'it has none')
  for (const pem of found) parse(option, file, 'a PEM file with certificates', () => new X509Certificate(pem))
  return found
}

function clientCertificate(certFile: string | undefined, keyFile: string): { cert: string; key: string } {
  if (certFile === undefined) {
    throw new SecurityError('tls.keyFile', 'expected kafka.tls.certFile, its certificate, beside it, got none')
  }
  const form = 'a PEM file with a certificate'
  const cert = readText('tls.certFile', certFile, form)
  const certificate = parse('tls.certFile', certFile, form, () => new X509Certificate(cert))
  const keyForm = 'a PEM file with a private key, not encrypted'
  const key = readText('tls.keyFile', keyFile, keyForm)
  const privateKey = parse('tls.keyFile', keyFile, keyForm, () => createPrivateKey(key))
  if (certificate.checkPrivateKey(privateKey)) return { cert, key }
  throw new SecurityError('tls.keyFile', `expected the private key of ${certFile}, got another one in ${keyFile}`)
}

function readSasl({ mechanism, username, passwordFile }: KafkaSasl): Security['sasl'] {
  if (mechanism === undefined) {
    const given = username !== undefined ? 'sasl.username' : passwordFile !== undefined ? 'sasl.passwordFile' : ''
    if (given === '') return undefined
    throw new SecurityError(given, `expected kafka.sasl.mechanism (${saslMechanisms.join(', ')}) beside it, got none`)
  }
  if (username === undefined) {
    throw new SecurityError('sasl.mechanism', 'expected kafka.sasl.username beside it, got none')
  }
  if (passwordFile === undefined) {
    throw new SecurityError('sasl.mechanism', 'expected kafka.sasl.passwordFile, a file, beside it, got none')
  }
  const form = 'a file with the password on one line'
  const password = readText('sasl.passwordFile', passwordFile, form).replace(/\r?\n$/, '')
  if (password === '') throw unusable('sasl.passwordFile', passwordFile, form, 'it is empty')
  if (/[\r\n\0]/.test(password)) {
    throw unusable('sasl.passwordFile', passwordFile, form, 'it has more than one line, or a NUL')
  }
  return { mechanism, username, password }
}

function readText(option: string, file: string, form: string): string {
  return parse(option, file, form, () => {
    if (statSync(file).size > maxFileBytes) throw new Error(`it has more than ${maxFileBytes} bytes`)
    return readFileSync(file, 'utf8')
  })
}

function parse<T>(option: string, file: string, form: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw unusable(option, file, form, (error as Error).message)
  }
}

const unusable = (option: string, file: string, form: string, why: string) =>
  new SecurityError(option, `expected ${form}, got "${file}": ${why}`)
