import assert from 'node:assert/strict'
import test from 'node:test'
import { loadedForMeasuring } from '../../src/cli/doctor-measure.ts'
import { loadConfig } from '../../src/config/load.ts'

test('a measurement uses only a broker named on the command line, and never the streams of a configuration', () => {
  const streams = { orders: { topic: 'production', partitions: 3 } }
  const env = {
    CARILLON_BROKER: 'kafka://production:9092',
    CARILLON_STREAMS: JSON.stringify(streams),
    CARILLON_ROUTES: '[{"subjects": ">", "stream": "orders", "by": {"hash": "java"}}]',
  }
  const left = loadedForMeasuring(loadConfig({ flags: {}, env }))
  assert.equal(left.config.broker, 'embedded:.carillon/dev')
  assert.equal(left.origins.size, 0)
  const named = loadedForMeasuring(loadConfig({ flags: { broker: 'kafka://lab:9092' }, env }))
  assert.equal(named.config.broker, 'kafka://lab:9092')
  assert.deepEqual(Object.keys(named.config.streams), ['events'])
  assert.deepEqual([...named.origins.keys()], ['broker'])
})
