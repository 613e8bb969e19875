import { Authority, type Certificate } from './certificates.ts'
import { type KafkaCluster, startKafka } from './kafka.ts'
import { setScramPassword } from './kafka-scram.ts'

/** The listeners of the one broker, in the order of their ports from `basePort` on. */
const listeners = {
  /** In the clear and without a name: its `User:ANONYMOUS` may do everything. */
  plaintext: 'PLAINTEXT',
  tls: 'SSL',
  /** TLS that asks for the client's certificate. */
  mutual: 'SSL',
  sasl: 'SASL_PLAINTEXT',
  /** TLS and SASL, SCRAM-SHA-512 only; a session must authenticate again every `reauthMs`. */
  saslTls: 'SASL_SSL',
  /** TLS with a certificate whose time is over. */
  expired: 'SSL',
  /** TLS with a certificate for `elsewhere.example`. */
  elsewhere: 'SSL',
} as const

export type Listener = keyof typeof listeners
const names = Object.keys(listeners) as Listener[]

/** kafkajs authenticates again in a session's last ten seconds. */
export const reauthMs = 12_000
/** May do everything, whichever way they come. */
export const admin = 'alice'
export const adminPassword = 'correct horse, battery=staple'
/** Begins with no right at all. */
export const guest = 'bob'
export const guestPassword = 'bob-secret'

export interface SecuredKafka {
  readonly cluster: KafkaCluster
  readonly authority: Authority
  /** Of `User:CN=carillon`, who may do everything. */
  readonly client: Certificate
  address(listener: Listener): string
}

/** One broker with a listener for each kind of security, and ACLs. Takes the ports from `basePort` to `basePort + 10`. */
export async function startSecuredKafka(basePort: number, dir: string): Promise<SecuredKafka> {
  const address = (listener: Listener) => `127.0.0.1:${basePort + names.indexOf(listener)}`
  const authority = new Authority(dir, 'authority')
  const loopback = 'IP:127.0.0.1,DNS:localhost'
  const certificates: Readonly<Record<string, Certificate>> = {
    broker: authority.issue({ name: 'broker', for: loopback }),
    expired: authority.issue({ name: 'expired', for: loopback, expired: true }),
    elsewhere: authority.issue({ name: 'elsewhere', for: 'DNS:elsewhere.example' }),
  }
  const client = authority.issue({ name: 'carillon' })
  const all = names.map((name) => `${name.toUpperCase()}://${address(name)}`).join(',')
  const protocols = names.map((name) => `${name.toUpperCase()}:${listeners[name]}`).join(',')
  const properties: Record<string, string> = {
    listeners: `${all},CONTROLLER://127.0.0.1:${basePort + 10}`,
    'advertised.listeners': all,
    'listener.security.protocol.map': `${protocols},CONTROLLER:PLAINTEXT`,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': `User:ANONYMOUS;User:${admin};User:CN=carillon`,
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.mutual.ssl.client.auth': 'required',
    'listener.name.sasltls.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    'listener.name.sasltls.connections.max.reauth.ms': String(reauthMs),
  }
  for (const name of names.filter((each) => listeners[each].endsWith('SSL'))) {
    const prefix = `listener.name.${name.toLowerCase()}.ssl`
    properties[`${prefix}.keystore.type`] = 'PEM'
    properties[`${prefix}.keystore.location`] = (certificates[name] ?? certificates.broker!).bundle
    properties[`${prefix}.truststore.type`] = 'PEM'
    properties[`${prefix}.truststore.location`] = authority.cert
  }
  const users = { [admin]: adminPassword, [guest]: guestPassword }
  const plainUsers = Object.entries(users).map(([user, password]) => `user_${user}="${password}"`)
  const security = 'org.apache.kafka.common.security'
  const jaas = {
    plain: `${security}.plain.PlainLoginModule required ${plainUsers.join(' ')};`,
    'scram-sha-256': `${security}.scram.ScramLoginModule required;`,
    'scram-sha-512': `${security}.scram.ScramLoginModule required;`,
  }
  for (const listener of ['sasl', 'sasltls']) {
    for (const [mechanism, line] of Object.entries(jaas)) {
      properties[`listener.name.${listener}.${mechanism}.sasl.jaas.config`] = line
    }
  }
  const cluster = await startKafka({ nodes: 1, basePort, dir, properties })
  try {
    for (const [user, password] of Object.entries(users)) {
      await setScramPassword(address('plaintext'), user, password)
    }
  } catch (error) {
    await cluster.stop()
    throw error
  }
  return { cluster, authority, client, address }
}
