import assert from 'node:assert/strict'
import test from 'node:test'
import { cpuCores, fitCpu } from '../../src/capacity/fit.ts'
import { fitError, twelveMillion } from '../../src/capacity/known-hosts.ts'

const cores = 12
const [three, six, nine, twelve] = twelveMillion as [
  (typeof twelveMillion)[0],
  (typeof twelveMillion)[0],
  (typeof twelveMillion)[0],
  (typeof twelveMillion)[0],
]

const predicted = (load: (typeof twelveMillion)[0]) =>
  cpuCores(fitCpu(three, six, cores), load.clients, load.rate) / cores

/** Returns the straight line through the CPU of both rows. */
function naive({ rate }: (typeof twelveMillion)[0]): number {
  return three.cpuShare + ((six.cpuShare - three.cpuShare) / (six.rate - three.rate)) * (rate - three.rate)
}

test('the model goes through the two rows that it is fitted to', () => {
  for (const row of [three, six]) assert.ok(Math.abs(predicted(row) - row.cpuShare) < 1e-9)
})

test('fitted to the rows of 3 and 6 million clients, it predicts the CPU of 9 and 12 million within the stated error', () => {
  for (const row of [nine, twelve]) {
    const off = predicted(row) / row.cpuShare - 1
    assert.ok(Math.abs(off) <= fitError, `${row.clients}: ${predicted(row)} for ${row.cpuShare}`)
  }
  assert.deepEqual(
    [nine, twelve].map((row) => Number((predicted(row) * 100).toFixed(1))),
    [36.4, 51.2],
  )
})

test('a straight line is nearly a quarter too low at 12 million clients', () => {
  assert.ok(naive(twelve) / twelve.cpuShare < 0.78)
  assert.ok(naive(nine) / nine.cpuShare < 1 - fitError)
})

test('the growth with clients comes from the pauses: without longer pauses nothing grows', () => {
  const even = { ...six, maxMs: three.maxMs }
  assert.equal(fitCpu(three, even, cores).deliveryUsPerMillionClients, 0)
  assert.ok(fitCpu(three, six, cores).deliveryUsPerMillionClients > 0.5)
})
