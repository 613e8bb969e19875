import assert from 'node:assert/strict'
import test from 'node:test'
import { maxConnections, maxDescriptors } from '../../../src/bench/process/host.ts'
import { forClients } from '../../../src/gateway/open-files.ts'

test('a gateway that is started here is given as many clients as it accepts, and no more', {
  skip: process.platform === 'linux' ? false : 'limits are read from /proc',
}, () => {
  assert.equal(maxConnections(), forClients(maxDescriptors(), 0))
})
