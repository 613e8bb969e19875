import assert from 'node:assert/strict'
import test from 'node:test'
import { type ErrorCode, errors } from '../../src/base/errors.ts'
import type { ServerFrame } from '../../src/wire/frames.ts'
import { Conversation } from './conversation.ts'

const ref = 1

/** A ref over a WebSocket, and a function that checks the next error for it. */
function subscribed() {
  const conversation = new Conversation(true)
  conversation.asks(ref)
  const next = (frame: ServerFrame) => conversation.next(frame, undefined)
  const limits = { maxFrameBytes: 0, maxEventBytes: 0, maxSubjectBytes: 0, maxSubscriptions: 1 }
  const welcome = { kind: 'welcome', gateway: 'g-1', version: '0.1.0', limits, heartbeatMs: 1000, nowUs: 0 } as const
  assert.equal(next(welcome), undefined)
  const refused = (code: ErrorCode, named = ref) => {
    const { retry } = errors[code]
    return next({ kind: 'error', code, message: code, ref: named, retry, retryAfterMs: 0 })
  }
  return { conversation, next, refused }
}

test('a ref that is refused while its unsubscribe is in flight is answered `bad_ref` once', () => {
  const { conversation, refused } = subscribed()
  conversation.leaves(ref)
  assert.equal(refused('overloaded'), undefined)
  assert.equal(refused('bad_ref'), undefined)
  assert.ok(refused('bad_ref'), 'it was unsubscribed once')
})

test('`bad_ref` is wrong for a ref that its client kept until it was refused, and for another ref', () => {
  const kept = subscribed()
  assert.equal(kept.refused('overloaded'), undefined)
  assert.ok(kept.refused('bad_ref'), 'it was not unsubscribed')
  const other = subscribed()
  other.conversation.leaves(ref)
  assert.equal(other.refused('overloaded'), undefined)
  assert.ok(other.refused('bad_ref', ref + 1), 'another ref was unsubscribed')
  const early = subscribed()
  early.conversation.leaves(ref)
  assert.ok(early.refused('bad_ref'), 'nothing refused it before')
})

test('after a ref was refused while its unsubscribe was in flight, no `unsubscribed` follows', () => {
  const { conversation, next, refused } = subscribed()
  conversation.leaves(ref)
  assert.equal(refused('overloaded'), undefined)
  assert.ok(next({ kind: 'unsubscribed', ref }))
})
