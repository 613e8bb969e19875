import assert from 'node:assert/strict'
import test from 'node:test'
import { readRecent } from '../../src/doctor/recent-records.ts'
import { ModelBroker } from '../model/broker.ts'

/** Size of a value, such that one fits in a read. */
const large = Buffer.alloc(600_000)

function brokerWith(partitions: number, records: number): ModelBroker {
  const broker = new ModelBroker('events', partitions)
  for (let partition = 0; partition < partitions; partition++) {
    for (let i = 0; i < records; i++) broker.append(partition, Buffer.from(`k${i}`), large)
  }
  return broker
}

test('the newest records of each partition are read, in as many reads as necessary', async () => {
  const offsets: number[] = []
  const broker = brokerWith(2, 250)
  const { looked, faults } = await readRecent(broker, broker.info, (record) => {
    if (record.partition === 1) offsets.push(record.offset)
    return undefined
  })
  assert.deepEqual([looked, faults, offsets.length], [400, [], 200])
  assert.deepEqual([offsets[0], offsets.at(-1)], [50, 249])
})

test('faults of one kind are counted together, with the first as the example and the cause of the last', async () => {
  const judge = ({ offset }: { offset: number }) =>
    offset < 3 ? { misplaced: false, kind: 'a', cause: `no event ${offset}` } : undefined
  const broker = brokerWith(1, 5)
  const { faults } = await readRecent(broker, broker.info, judge)
  assert.deepEqual(faults, [{ misplaced: false, cause: 'no event 2', count: 3, example: '0@0' }])
})
