import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { kafkaAvailable } from '../brokers/kafka.ts'
import { type GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { gatewayFacts, siteStreams } from './support/gateway-facts.ts'
import { KafkaSite } from './support/kafka-site.ts'
import {
  type Events,
  envelope,
  missingProgram,
  movedByCrc32,
  publishWithJava,
  publishWithKcat,
} from './support/publish.ts'

/** Whoever publishes to a real Kafka, clients of real gateways get each event once and in order, and resume exactly. */

const skip = kafkaAvailable()
const basePort = 19_600

describe('gateways on a real Kafka', skip === undefined ? {} : { skip }, () => {
  let site: KafkaSite
  let first: GatewayProcess
  let second: GatewayProcess

  before(async () => {
    site = await KafkaSite.start(basePort, siteStreams)
    ;[first, second] = await Promise.all([site.gateway(basePort + 2), site.gateway(basePort + 4)])
  })

  after(() => site?.close())

  const reach = gatewayFacts(
    () => site,
    () => first,
    () => second,
    basePort + 6,
  )

  test('what kafkajs publishes reaches every transport', async () => {
    const events: Events = [
      ['events.kafkajs.tür', 'a'],
      ['events.kafkajs.tür', 'b'],
    ]
    const others: Events = [['events.other', 'x']]
    await reach('events.kafkajs.tür', events, () => site.publisher.events('events', [...others, ...events, ...others]))
  })

  test("what Kafka's Java producer publishes reaches every transport", {
    skip: missingProgram('javac', '-version'),
  }, async () => {
    // Keys of many lengths: murmur2 takes four bytes at a time, and half of its results are negative.
    const events: Events = Array.from({ length: 40 }, (_, i) => [`events.java.${'ä'.repeat(i % 7)}${i}`, `${i}`])
    await reach('events.java.>', events, () => publishWithJava(site.broker, 'events', events))
  })

  test('what kcat publishes with partitioner=murmur2_random reaches every transport, and its default is named', {
    skip: missingProgram('kcat', '-V'),
  }, async () => {
    const subject = movedByCrc32('events.kcat', 4)
    const file = join(site.dir, 'kcat-event')
    writeFileSync(file, envelope(subject, 'line one\nline two'))
    const send = (settings: string[]) => publishWithKcat(site.broker, { topic: 'events', subject, file }, settings)
    await reach(subject, [[subject, 'line one\nline two']], () => send(['partitioner=murmur2_random']))
    await send([])
    await until('the record is rejected', patienceMs, async () => {
      const { records } = (await first.admin('/v1/admin/rejected')).json
      return records.some(({ key, detail }: Record<string, string>) => {
        return key === subject && detail!.includes('partitioner=murmur2_random')
      })
    })
  })
})
