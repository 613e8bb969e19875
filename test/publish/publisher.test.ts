import assert from 'node:assert/strict'
import test from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { allowAll } from '../../src/identity/grant.ts'
import { Publisher } from '../../src/publish/publisher.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import type { OutRecord, StreamInfo } from '../../src/source/source.ts'
import { makeEvent } from '../../src/wire/frames.ts'
import { streamFormatDefaults } from '../../src/wire/stream-format.ts'
import { decodeToken, logOf } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'

const infoOf = (name: string): StreamInfo => ({ name, incarnation: `${name}-1`, partitions: 1 })

/** A broker whose stream `name` already has this many records. */
class Counting extends ModelBroker {
  readonly heads: Record<string, number> = { alarms: 100, trades: 7 }

  override async publish({ name }: StreamInfo, records: readonly OutRecord[]) {
    return records.map(() => ({ partition: 0, offset: this.heads[name]!++ }))
  }
}

test('each event gets its own position, whichever streams the others of its request are in', async () => {
  const by = { hash: 'java' } as const
  const routing = new RoutingTable([
    { subjects: 'alarm.>', stream: 'alarms', by },
    { subjects: 'trade.>', stream: 'trades', by },
  ])
  const source = new Counting('events', 1)
  const format = () => streamFormatDefaults
  const publisher = new Publisher({ source, routing, stream: infoOf, format, maxEventBytes: 4096 })
  const subjects = ['trade.a', 'alarm.a', 'alarm.b', 'trade.b']
  const results = await publisher.publish(
    subjects.map((subject) => makeEvent({ subject })),
    allowAll,
  )
  assert.deepEqual(
    results.map(({ stream, offset }) => [stream, offset]),
    [
      ['trades', 7],
      ['alarms', 100],
      ['alarms', 101],
      ['trades', 8],
    ],
  )
  for (const { after, stream, offset } of results) {
    const log = logOf(stream, `${stream}-1`)
    assert.deepEqual(decodeToken(after), [{ ...log, partition: 0, offset: offset + 1, generation: -1 }])
  }
})

test('nothing of a request is written if its grant refuses one event, whether or not the event has a route', async () => {
  const source = new Counting('events', 1)
  const routing = new RoutingTable([{ subject: '{key}', stream: 'alarms', by: { hash: 'java' } }])
  const publisher = new Publisher({
    source,
    routing,
    stream: infoOf,
    format: () => streamFormatDefaults,
    maxEventBytes: 4096,
  })
  const grant = {
    ...allowAll,
    checkPublish(subject: string) {
      if (subject === 'b') throw new CarillonError('publish_forbidden', 'not for you')
    },
  }
  const events = ['a', 'b'].map((subject) => makeEvent({ subject }))
  await assert.rejects(publisher.publish(events, grant), { code: 'publish_forbidden' })
  assert.equal(source.heads.alarms, 100)
})
