import { answerText, code, protocolError } from './protocol-errors.ts'
import type { SecurityOptions } from './security.ts'

/** The operations of Kafka's ACLs that our requests need. */
export type Operation = 'Describe' | 'DescribeConfigs' | 'Read' | 'Write' | 'Create'

/** What was tried when the broker answered with an error. */
export interface Attempt {
  readonly operation: Operation
  readonly topic: string
  readonly partition?: number
}

type Client = SecurityOptions & { readonly brokers: readonly string[] }

/** An ACL is missing. */
export function isForbidden(error: number): boolean {
  return error === code.topicAuthorizationFailed || error === code.clusterAuthorizationFailed
}

/** For people: where it was, what the answer means and says, and, where an ACL is missing, the command that adds it. */
export function answerProblem(error: number, attempt: Attempt, client: Client, said = ''): string {
  if (!isForbidden(error)) return `${placeOf(attempt)}: ${answerText(error, said)}`
  return `${missingGrant(attempt, client)} (${protocolError(error)})`
}

export function placeOf({ topic, partition }: Omit<Attempt, 'operation'>): string {
  return `topic ${topic}${partition === undefined ? '' : `, partition ${partition}`}`
}

function missingGrant({ operation, topic }: Attempt, { brokers, tls, sasl }: Client): string {
  const byCertificate = tls.enabled && tls.certFile !== undefined
  // What a certificate's principal is, the broker's mapping rules decide.
  const principal =
    sasl.mechanism !== undefined ? `User:${sasl.username}` : byCertificate ? undefined : 'User:ANONYMOUS'
  const who = principal ?? `the principal of ${tls.certFile}`
  const allow = `--add --allow-principal ${principal === undefined ? 'User:…' : shellWord(principal)}`
  const on = `--operation ${operation} --topic ${shellWord(topic)}`
  return `${who} may not ${operation} topic ${topic}; grant it: kafka-acls.sh --bootstrap-server ${brokers.join(',')} ${allow} ${on}`
}

/** What shows a person which transaction of a topic has lost its producer. */
export function hangingCommand(brokers: readonly string[], topic: string): string {
  return `kafka-transactions.sh --bootstrap-server ${brokers.join(',')} find-hanging --topic ${shellWord(topic)}`
}

/** As a POSIX shell takes it. */
export function shellWord(text: string): string {
  return /^[\w.:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
