import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Cursor } from '../../src/source/kafka/cursor.ts'
import { Damage } from '../../src/source/kafka/damage.ts'
import { EpochHistory } from '../../src/source/kafka/epoch-history.ts'
import { TailHealth } from '../../src/source/tail-health.ts'

describe('the epochs that a tail has passed', () => {
  function history(...starts: [epoch: number, offset: number][]): EpochHistory {
    const epochs = new EpochHistory()
    for (const [epoch, offset] of starts) epochs.passed(epoch, offset)
    return epochs
  }

  test('none is known before the first batch', () => {
    assert.equal(new EpochHistory().last, -1)
  })

  test('the last epoch counts, and later batches of it do not move its start', () => {
    const epochs = history([2, 10], [2, 20], [5, 30], [5, 40])
    assert.equal(epochs.last, 5)
    assert.equal(epochs.cutBack(2, 100, 50), 30)
  })

  test("logs agree up to where the leader's epoch ends", () => {
    const epochs = history([2, 10], [5, 30])
    assert.equal(epochs.cutBack(5, 42, 50), 42)
    assert.equal(epochs.last, 5)
  })

  test('logs agree at most up to the end of the same epoch in our log', () => {
    const epochs = history([1, 0], [3, 40])
    assert.equal(epochs.cutBack(2, 45, 50), 40)
    assert.equal(epochs.last, 1)
    assert.equal(epochs.cutBack(1, 30, 40), 30)
  })

  test('an epoch that begins at the divergence is forgotten', () => {
    const epochs = history([1, 0], [3, 40])
    assert.equal(epochs.cutBack(3, 40, 50), 40)
    assert.equal(epochs.last, 1)
  })

  test('an end beyond our position is not a divergence', () => {
    assert.equal(history([1, 0]).cutBack(1, 90, 50), 50)
  })
})

describe('a cursor', () => {
  test('follows newer leaders only', () => {
    const cursor = new Cursor(0, 5)
    assert.ok(cursor.follow(1, 7))
    const { version } = cursor
    assert.equal(cursor.follow(2, 6), false)
    assert.equal(cursor.leader, 1)
    assert.ok(cursor.follow(2, 8))
    assert.ok(cursor.version > version, 'an answer to the old leader is dropped')
  })

  test('forgets the epoch below when it jumps', () => {
    const cursor = new Cursor(0, 5)
    cursor.passed(3, 5, 10)
    assert.equal(cursor.lastFetchedEpoch, 3)
    cursor.jump(20, -1)
    assert.equal(cursor.lastFetchedEpoch, -1)
  })
})

describe('a position that cannot be read', () => {
  test('is fetched once more, then skipped completely', () => {
    const damage = new Damage()
    assert.equal(damage.met(10, 12, 19, 100), undefined)
    assert.equal(damage.met(10, 12, 19, 100), 19)
  })

  test('is fetched twice again after another batch was read', () => {
    const damage = new Damage()
    assert.equal(damage.met(10, 10, 19, 100), undefined)
    damage.read()
    assert.equal(damage.met(10, 10, 19, 100), undefined)
  })

  test('never reaches beyond the head', () => {
    const damage = new Damage()
    damage.met(10, 10, 1e9, 20)
    assert.equal(damage.met(10, 10, 1e9, 20), 19)
  })

  test('is skipped one by one, then in growing steps, if its extent is unknown', () => {
    const damage = new Damage()
    const passed: number[] = []
    for (let offset = 0; offset < 50; ) {
      const to = damage.met(offset, offset, undefined, -1)
      if (to === undefined) continue
      passed.push(to)
      offset = to + 1
    }
    const single = Array.from({ length: 32 }, (_, i) => i)
    assert.deepEqual(passed, [...single, 33, 37, 45, 61])
  })
})

describe("a tail's state", () => {
  function health() {
    const told: string[] = []
    const state = new TailHealth(1000, (name, detail) => void told.push(detail === '' ? name : `${name}: ${detail}`))
    state.found([0, 1], 0)
    return { state, told }
  }

  test('is up when every partition is read, and reported once', () => {
    const { state, told } = health()
    state.read(0)
    assert.deepEqual(told, [])
    state.read(1)
    state.read(0)
    assert.deepEqual(told, ['up'])
  })

  test('is away only if a partition has failed for a long time', () => {
    const { state, told } = health()
    state.read(0)
    state.read(1)
    state.failed(1, 5000, 'refused')
    state.failed(1, 5900, 'refused')
    assert.deepEqual(told, ['up'])
    state.failed(1, 6000, 'refused')
    state.failed(1, 6100, 'refused')
    state.read(1)
    assert.deepEqual(told, ['up', 'away: refused', 'up'])
  })

  test('is missing until every partition is read again', () => {
    const { state, told } = health()
    state.missing('gone')
    state.found([0, 1, 2], 2000)
    state.read(0)
    state.read(1)
    assert.deepEqual(told, ['missing: gone'])
    state.read(2)
    assert.deepEqual(told, ['missing: gone', 'up'])
  })
})
