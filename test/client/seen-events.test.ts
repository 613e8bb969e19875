import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeenEvents } from '../../src/client/seen-events.ts'
import { makeEvent } from '../../src/wire/frames.ts'

const event = (id: string) => makeEvent({ subject: 'a', id })

test('an event before its position is recognized by its offset and content', () => {
  const ahead = new SeenEvents()
  for (const offset of [3, 5]) ahead.took(offset, event(`e${offset}`))
  assert.deepEqual(
    [ahead.has(3, event('e3')), ahead.has(5, event('e5')), ahead.has(6, event('e6'))],
    [true, true, false],
  )
})

test('another event under a known offset is new, and the events above it stay known', () => {
  const ahead = new SeenEvents()
  for (const offset of [3, 4, 5]) ahead.took(offset, event(`e${offset}`))
  assert.equal(ahead.has(4, event('other')), false)
  ahead.took(4, event('other'))
  assert.equal(ahead.has(5, event('e5')), true)
  assert.equal(ahead.has(5, event('other')), false)
  assert.equal(ahead.has(3, event('e3')), true)
})

test('below a position only the offset decides', () => {
  const ahead = new SeenEvents()
  ahead.took(3, event('e3'))
  ahead.passed(4)
  assert.equal(ahead.has(2, event('never seen')), true)
})

test('it remembers 2048 events, and takes older ones for known', () => {
  const ahead = new SeenEvents()
  for (let offset = 0; offset < 2049; offset++) ahead.took(offset, event(`e${offset}`))
  assert.deepEqual([ahead.has(0, event('other')), ahead.has(1, event('other'))], [true, false])
})

test('after an event that replaced another one, a deletion is new, though it looks like the one before', () => {
  const deletion = makeEvent({ subject: 'a', deleted: true })
  const ahead = new SeenEvents()
  ahead.took(4, event('e4'))
  ahead.took(5, deletion)
  ahead.took(6, event('e6'))
  assert.equal(ahead.has(5, deletion), true)
  ahead.took(4, event('other'))
  assert.deepEqual([ahead.has(5, deletion), ahead.has(6, event('e6'))], [false, true])
})

test('offsets between the only requested events are not new, until something else replaces one of these events', () => {
  const deletion = makeEvent({ subject: 'a', deleted: true })
  const ahead = new SeenEvents()
  for (const [offset, each] of [
    [3, event('e3')],
    [6, event('e6')],
    [7, deletion],
    [9, event('e9')],
  ] as const) {
    ahead.took(offset, each)
    ahead.skipped(offset)
  }
  assert.deepEqual(
    [ahead.has(3, event('e3')), ahead.has(4, event('e4')), ahead.has(8, event('e8')), ahead.has(9, event('e9'))],
    [true, true, true, true],
  )
  assert.equal(ahead.has(6, event('other')), false)
  ahead.took(6, event('other'))
  assert.deepEqual(
    [ahead.has(5, event('e5')), ahead.has(7, deletion), ahead.has(8, event('e8')), ahead.has(9, event('e9'))],
    [true, false, false, true],
  )
})
