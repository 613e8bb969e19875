import assert from 'node:assert/strict'
import test from 'node:test'
import { hostSizeOf } from '../../src/doctor/host-size.ts'
import { factsWith } from './facts.ts'

const gib = 2 ** 30

test('the size of a host is bounded by its cgroup, and has the speed of its fastest card', () => {
  const cgroup = { ...factsWith().cgroup, memoryBytes: 2 * gib, cpus: 2.5 }
  const card = { name: 'eth0', receiveQueues: 1, spread: false }
  const limited = factsWith({ cgroup, cards: [{ ...card, gbps: 25 }, card] })
  assert.deepEqual(hostSizeOf(limited), { cores: 2, memoryBytes: 2 * gib, nicGbps: 25, descriptors: 20_000 })
  const { cores, memoryBytes, nicGbps } = hostSizeOf(factsWith())
  assert.deepEqual([cores, memoryBytes, nicGbps], [4, 16 * gib, undefined])
})

test('a quota below one CPU is still one core to a gateway', () => {
  assert.equal(hostSizeOf(factsWith({ cgroup: { ...factsWith().cgroup, cpus: 0.5 } })).cores, 1)
})

test('unlimited open files become a number that a file of figures can hold', () => {
  const unlimited = Number.POSITIVE_INFINITY
  assert.equal(hostSizeOf(factsWith({ openFiles: { soft: 1024, hard: unlimited } })).descriptors, 2 ** 31)
  assert.equal(hostSizeOf(factsWith({ openFiles: undefined })).descriptors, 1024)
})
