import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { loopClock } from '../../src/base/clock.ts'
import { BrokerLink } from '../../src/source/kafka/broker-link.ts'
import { Connector } from '../../src/source/kafka/connector.ts'
import { type ByteReader, ByteWriter } from '../../src/source/kafka/encoding.ts'
import { kafkaDefaults } from '../../src/source/kafka/options.ts'
import type { KafkaRequest } from '../../src/source/kafka/request.ts'

/** Of SCRAM-SHA-256 and SCRAM-SHA-512, as Kafka numbers them. */
const digests = [
  { mechanism: 1, name: 'sha256', bytes: 32 },
  { mechanism: 2, name: 'sha512', bytes: 64 },
] as const
const iterations = 4096

/**
 * Sets a user's password for both SCRAM mechanisms, also while the broker runs: AlterUserScramCredentials (KIP-554), which
 * kafkajs lacks and Kafka's own tool takes a JVM for. `broker` is a plaintext listener.
 */
export async function setScramPassword(broker: string, user: string, password: string): Promise<void> {
  const options = { ...kafkaDefaults, brokers: [broker], connectTimeoutMs: 5000 }
  const link = await BrokerLink.open(new Connector(options, loopClock(), () => {}), broker, 'questions')
  try {
    // One request each: a user may occur in it only once.
    for (const digest of digests) {
      const error = await link.ask(alterRequest(user, password, digest), 5000)
      if (error !== '') throw new Error(`the password of ${user} was not set: ${error}`)
    }
  } finally {
    link.drop(new Error('done'))
  }
}

function alterRequest(user: string, password: string, digest: (typeof digests)[number]): KafkaRequest<string> {
  const salt = randomBytes(24)
  const salted = pbkdf2Sync(password, salt, iterations, digest.bytes, digest.name)
  const body = new ByteWriter().noTags().compactLength(0).compactLength(1).compactString(user)
  body.int8(digest.mechanism).int32(iterations).compactLength(salt.length).bytes(salt)
  body.compactLength(salted.length).bytes(salted).noTags().noTags()
  const identity = { apiKey: 51, apiName: 'AlterUserScramCredentials', apiVersion: 0 }
  return { ...identity, body: body.written(), decode: problemOf }
}

/** What is wrong with the one user; empty = nothing. */
function problemOf(reader: ByteReader): string {
  reader.tags()
  reader.int32()
  reader.compactLength()
  reader.compactString()
  const error = reader.int16()
  const message = reader.compactString()
  return error === 0 ? '' : `${error} ${message}`
}
