import { readFileSync } from 'node:fs'
import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  type TlsOptions,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node'
import { CarillonError } from '../../base/errors.ts'
import { credentialProblems, type NatsCredentials, type NatsTls } from './options.ts'

/**
 * Reads the credential files. Called for each connection, so that the next one uses a changed
 * secret. Returns undefined without credentials. Throws `bad_request` that names the option and
 * the file, never the file's content.
 */
export function authenticator(options: NatsCredentials): Authenticator | undefined {
  const [problem] = credentialProblems(options)
  if (problem !== undefined) throw new CarillonError('bad_request', `nats.${problem.path}: ${problem.message}`)
  const { user, passwordFile, tokenFile, nkeyFile, credentialsFile } = options
  if (user !== undefined) return usernamePasswordAuthenticator(user, line('passwordFile', passwordFile!))
  if (tokenFile !== undefined) return tokenAuthenticator(line('tokenFile', tokenFile))
  if (nkeyFile !== undefined) {
    const seed = line('nkeyFile', nkeyFile)
    return usable('nkeyFile', nkeyFile, "an NKey's seed (SU…)", nkeyAuthenticator(Buffer.from(seed)))
  }
  if (credentialsFile === undefined) return undefined
  const bytes = read('credentialsFile', credentialsFile)
  return usable('credentialsFile', credentialsFile, "a user's JWT and seed", credsAuthenticator(bytes))
}

/** Describes the configured credentials for messages, without secrets. */
export function identity({ user, tokenFile, nkeyFile, credentialsFile }: NatsCredentials): string {
  if (user !== undefined) return `the user "${user}" and the password in nats.passwordFile`
  if (tokenFile !== undefined) return `the token in nats.tokenFile (${tokenFile})`
  if (nkeyFile !== undefined) return `the seed in nats.nkeyFile (${nkeyFile})`
  if (credentialsFile !== undefined) return `nats.credentialsFile (${credentialsFile})`
  return 'a connection without credentials: set nats.user and nats.passwordFile, nats.tokenFile, nats.nkeyFile or nats.credentialsFile'
}

/** Reads the TLS files. Throws `bad_request` for a file that can't be read. */
export function tlsOptions(tls: NatsTls | true): TlsOptions {
  if (tls === true) return {}
  const { caFile, certFile, keyFile } = tls
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new CarillonError('bad_request', 'nats.tls: expected certFile and keyFile together, got one of them')
  }
  return {
    ...(caFile === undefined ? {} : { ca: read('tls.caFile', caFile).toString('utf8') }),
    ...(certFile === undefined ? {} : { cert: read('tls.certFile', certFile).toString('utf8') }),
    ...(keyFile === undefined ? {} : { key: read('tls.keyFile', keyFile).toString('utf8') }),
  }
}

/**
 * The library parses credentials only when a server requests them. A made-up nonce finds unusable
 * ones here.
 */
function usable(option: string, file: string, what: string, make: Authenticator): Authenticator {
  try {
    make('nonce')
  } catch (error) {
    throw new CarillonError('bad_request', `nats.${option}: expected ${what} in ${file}, found none`, { cause: error })
  }
  return make
}

/** Returns the single line of a secret's file, without the line break that editors append. */
function line(option: string, file: string): string {
  const text = read(option, file).toString('utf8').trim()
  if (text !== '' && !/[\r\n]/.test(text)) return text
  throw new CarillonError(
    'bad_request',
    `nats.${option}: expected one line in ${file}, found ${text === '' ? 'none' : 'more'}`,
  )
}

function read(option: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    const said = `nats.${option}: expected a readable file, got ${file}`
    throw new CarillonError('bad_request', `${said}: ${(error as Error).message}`, { cause: error })
  }
}
