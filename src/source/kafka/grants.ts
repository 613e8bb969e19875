import { answerText, code, protocolError } from './protocol-errors.ts'
import type { SecurityOptions } from './security.ts'

/** The operations of Kafka's ACLs that our requests need. */
export type Operation = 'Describe' | 'DescribeConfigs' | 'Read' | 'Write' | 'Create'

/** The operation that the broker answered with an error. */
export interface Attempt {
  readonly operation: Operation
  readonly topic: string
  readonly partition?: number
}

type Client = SecurityOptions & { readonly brokers: readonly string[] }

/** Whether the error code means a missing ACL. */
export function isForbidden(error: number): boolean {
  return error === code.topicAuthorizationFailed || error === code.clusterAuthorizationFailed
}

/**
 * Explains an error code for people: the topic, the meaning of the code, and the broker's
 * message. If an ACL is missing, includes the command that adds it.
 */
export function answerProblem(error: number, attempt: Attempt, client: Client, said = ''): string {
  if (!isForbidden(error)) return `${placeOf(attempt)}: ${answerText(error, said)}`
  return `${missingGrant(attempt, client)} (${protocolError(error)})`
}

export function placeOf({ topic, partition }: Omit<Attempt, 'operation'>): string {
  return `topic ${topic}${partition === undefined ? '' : `, partition ${partition}`}`
}

function missingGrant({ operation, topic }: Attempt, { brokers, tls, sasl }: Client): string {
  const byCertificate = tls.enabled && tls.certFile !== undefined
  // The broker's mapping rules decide the principal of a certificate.
  const principal =
    sasl.mechanism !== undefined ? `User:${sasl.username}` : byCertificate ? undefined : 'User:ANONYMOUS'
  const who = principal ?? `the principal of ${tls.certFile}`
  const allow = `--add --allow-principal ${principal === undefined ? 'User:…' : shellWord(principal)}`
  const on = `--operation ${operation} --topic ${shellWord(topic)}`
  return `${who} may not ${operation} topic ${topic}; grant it: kafka-acls.sh --bootstrap-server ${brokers.join(',')} ${allow} ${on}`
}

/** Returns the command that finds transactions of a topic whose producer is gone. */
export function hangingCommand(brokers: readonly string[], topic: string): string {
  return `kafka-transactions.sh --bootstrap-server ${brokers.join(',')} find-hanging --topic ${shellWord(topic)}`
}

/** Quotes text for a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w.:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
