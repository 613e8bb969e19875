import { nkeys } from '@nats-io/transport-node'

/** An account with JetStream under an operator of its own, as `nsc` would make them, and a user of it. */
export interface JwtAccount {
  /** For the server's configuration. */
  readonly config: string
  /** The user's .creds file. */
  readonly credentials: string
}

type KeyPair = ReturnType<typeof nkeys.createOperator>

const unlimited = { subs: -1, conn: -1, leaf: -1, imports: -1, exports: -1, data: -1, payload: -1, wildcards: true }
const withStorage = { ...unlimited, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }

export function jwtAccount(): JwtAccount {
  const operator = nkeys.createOperator()
  const system = nkeys.createAccount()
  const account = nkeys.createAccount()
  const user = nkeys.createUser()
  const operatorJwt = jwt(operator, operator, 'operator', { system_account: system.getPublicKey() })
  const accounts = [
    [system.getPublicKey(), jwt(operator, system, 'account', { limits: unlimited })],
    [account.getPublicKey(), jwt(operator, account, 'account', { limits: withStorage })],
  ]
  const preload = accounts.map(([key, text]) => `  ${key}: "${text}"\n`).join('')
  const config = [
    `operator: "${operatorJwt}"`,
    `system_account: ${system.getPublicKey()}`,
    'resolver: MEMORY',
    `resolver_preload: {\n${preload}}`,
  ]
  const userJwt = jwt(account, user, 'user', { subs: -1, data: -1, payload: -1 })
  return { config: `${config.join('\n')}\n`, credentials: credentials(userJwt, user) }
}

/** `ed25519-nkey` over header and claims; NATS's own claims stand under `nats`. */
function jwt(issuer: KeyPair, subject: KeyPair, type: string, claims: Record<string, unknown>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const head = part({ typ: 'JWT', alg: 'ed25519-nkey' })
  const names = { iss: issuer.getPublicKey(), sub: subject.getPublicKey(), name: type, jti: type }
  const body = part({ ...names, iat: Math.floor(Date.now() / 1000), nats: { ...claims, type, version: 2 } })
  const signature = Buffer.from(issuer.sign(Buffer.from(`${head}.${body}`))).toString('base64url')
  return `${head}.${body}.${signature}`
}

function credentials(text: string, user: KeyPair): string {
  const seed = Buffer.from(user.getSeed()).toString('latin1')
  const block = (name: string, content: string) => `-----BEGIN ${name}-----\n${content}\n------END ${name}------\n`
  return `${block('NATS USER JWT', text)}\n${block('USER NKEY SEED', seed)}`
}
