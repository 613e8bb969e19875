import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { isLoopback } from '../../base/loopback.ts'

/**
 * The security options, and the contents of the files that they name. Credentials are only in
 * files, never in an option.
 */

export interface KafkaTls {
  readonly enabled: boolean
  /**
   * PEM file of the authorities that may have signed the brokers' certificates. Replaces the
   * system's.
   */
  readonly caFile?: string | undefined
  /**
   * PEM files of this client's certificate with its chain, and of its private key, if brokers
   * require a certificate.
   */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
  /**
   * The name that the brokers' certificates must contain, instead of the host of the connection.
   */
  readonly serverName?: string | undefined
}

/** The mechanisms of RFC 4616 and RFC 5802, lower case. */
export const saslMechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const
export type SaslMechanism = (typeof saslMechanisms)[number]

export interface KafkaSasl {
  /** None = no SASL. */
  readonly mechanism?: SaslMechanism | undefined
  readonly username?: string | undefined
  /** A file with only the password. One line end after it is ignored. */
  readonly passwordFile?: string | undefined
}

export interface SecurityOptions {
  readonly tls: KafkaTls
  readonly sasl: KafkaSasl
}

/** The TLS and SASL settings of a connection. The files are read again for each connection. */
export interface Security {
  readonly tls: ConnectionOptions | undefined
  readonly sasl: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string } | undefined
}

/**
 * A mistake in the options or their files: `option` as in `sasl.passwordFile`. Never contains the
 * content of a file.
 */
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

/** Size limit of a file, bytes. A password or a bundle of certificates is smaller. */
const maxFileBytes = 1 << 20

/**
 * Reads the files. Throws a SecurityError if an option requires another one, or if a file cannot
 * be read or has the wrong content.
 */
export function readSecurity(options: SecurityOptions): Security {
  return { tls: readTls(options.tls), sasl: readSasl(options.sasl) }
}

/** Returns a warning about options that are valid but unsafe. */
export function securityWarning({ tls, sasl }: SecurityOptions, hosts: readonly string[]): string | undefined {
  const exposed = hosts.filter((host) => !isLoopback(host))
  if (tls.enabled || sasl.mechanism === undefined || exposed.length === 0) return undefined
  const how = sasl.mechanism === 'plain' ? 'the password itself' : 'data from which the password can be guessed'
  const name = sasl.mechanism.toUpperCase()
  return `kafka.sasl without kafka.tls.enabled sends ${how} (${name}) and all events in the clear to ${exposed.join(', ')}`
}

function readTls(tls: KafkaTls): ConnectionOptions | undefined {
  const { enabled, caFile, certFile, keyFile, serverName } = tls
  if (!enabled) {
    const given = Object.entries(tls).find(([name, value]) => name !== 'enabled' && value !== undefined)
    if (given === undefined) return undefined
    throw new SecurityError(`tls.${given[0]}`, 'expected kafka.tls.enabled: true as well, got no TLS')
  }
  if (keyFile === undefined && certFile !== undefined) {
    throw new SecurityError('tls.certFile', 'expected kafka.tls.keyFile, its private key, as well, got none')
  }
  return {
    ...(caFile === undefined ? {} : { ca: authorities('tls.caFile', caFile) }),
    ...(keyFile === undefined ? {} : clientCertificate(certFile, keyFile)),
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
}

const pemCertificate = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g

/**
 * Reads the certificates of authorities. Checks them, because Node silently ignores anything else
 * in the file.
 */
function authorities(option: string, file: string): string[] {
  const found = readText(option, file, 'a PEM file with certificates').match(pemCertificate)
  if (found === null) throw unusable(option, file, 'a PEM file with certificates', 'it contains none')
  for (const pem of found) parse(option, file, 'a PEM file with certificates', () => new X509Certificate(pem))
  return found
}

function clientCertificate(certFile: string | undefined, keyFile: string): { cert: string; key: string } {
  if (certFile === undefined) {
    throw new SecurityError('tls.keyFile', 'expected kafka.tls.certFile, its certificate, as well, got none')
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
    throw new SecurityError(given, `expected kafka.sasl.mechanism (${saslMechanisms.join(', ')}) as well, got none`)
  }
  if (username === undefined) {
    throw new SecurityError('sasl.mechanism', 'expected kafka.sasl.username as well, got none')
  }
  if (passwordFile === undefined) {
    throw new SecurityError('sasl.mechanism', 'expected kafka.sasl.passwordFile, a file, as well, got none')
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
