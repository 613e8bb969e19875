import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { Hub, type Member, type Membership } from '../../src/fanout/hub.ts'
import { OutgoingRecord } from '../../src/fanout/outgoing-record.ts'
import { matches } from '../../src/subject/subject.ts'

/** Few hashes, so that subjects share slots. */
const hashOf = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum + byte, 0) % 5

const record = new OutgoingRecord()
function publish(hub: Hub, subject: string): number {
  const bytes = Buffer.from(`--${subject}`)
  record.buffer = bytes
  record.subjectStart = 2
  record.subjectEnd = bytes.length
  record.hash = hashOf(Buffer.from(subject))
  record.begin()
  return hub.publish(record)
}

class Listener implements Member {
  stamp = 0
  readonly got: string[] = []
  onOffer: () => void = () => {}

  offer(offered: OutgoingRecord): void {
    this.got.push(offered.subject)
    this.onOffer()
  }
}

const subjects = ['a', 'b', 'c', 'a.a', 'a.b', 'b.a', 'a.a.a', 'c.c']
const interests = [...subjects, '*', '>', 'a.*', '*.a', 'a.>', '*.*']

test('members get matching records once, and none after they leave', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('join' as const), who: fc.nat(3), interest: fc.nat(interests.length - 1) }),
    fc.record({ kind: fc.constant('leave' as const), at: fc.nat(30) }),
    fc.record({ kind: fc.constant('publish' as const), subject: fc.nat(subjects.length - 1) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      const hub = new Hub(hashOf)
      const listeners = [0, 1, 2, 3].map(() => new Listener())
      let joined: { listener: Listener; interest: string; membership: Membership }[] = []
      for (const action of steps) {
        if (action.kind === 'join') {
          const listener = listeners[action.who]!
          const interest = interests[action.interest]!
          joined.push({ listener, interest, membership: hub.join(interest, listener) })
        } else if (action.kind === 'leave') {
          const leaving = joined[action.at % Math.max(1, joined.length)]
          if (leaving === undefined) continue
          hub.leave(leaving.membership)
          hub.leave(leaving.membership)
          joined = joined.filter((each) => each !== leaving)
        } else {
          const subject = subjects[action.subject]!
          for (const listener of listeners) listener.got.length = 0
          const expected = new Set(
            joined.filter(({ interest }) => matches(interest, subject)).map(({ listener }) => listener),
          )
          assert.equal(publish(hub, subject), expected.size)
          for (const listener of listeners) assert.deepEqual(listener.got, expected.has(listener) ? [subject] : [])
        }
        assert.equal(hub.size, joined.length)
      }
      for (const { membership } of joined) hub.leave(membership)
      assert.equal(hub.size, 0)
      for (const subject of subjects) assert.equal(publish(hub, subject), 0)
    }),
    { numRuns: 300 },
  )
})

test('subjects are found among any number of others, and a subject without members is not', () => {
  const hub = new Hub(hashOf)
  const listener = new Listener()
  const memberships: Membership[] = []
  const many = Array.from({ length: 200 }, (_, i) => `subject.${i}`)
  const found = () => many.filter((subject) => publish(hub, subject) === 1).length
  for (const subject of many) {
    memberships.push(hub.join(subject, listener))
    assert.equal(found(), memberships.length)
    assert.equal(publish(hub, 'nobody'), 0)
  }
  for (let membership = memberships.pop(); membership !== undefined; membership = memberships.pop()) {
    hub.leave(membership)
    assert.equal(found(), memberships.length)
  }
})

test('members that leave while a record is offered cost no other member the record', () => {
  for (let leaver = 0; leaver < 5; leaver++) {
    const hub = new Hub(hashOf)
    const listeners = Array.from({ length: 5 }, () => new Listener())
    const memberships = listeners.map((listener) => hub.join('a', listener))
    listeners[leaver]!.onOffer = () => {
      hub.leave(memberships[leaver]!)
      hub.leave(memberships[(leaver + 2) % 5]!)
    }
    publish(hub, 'a')
    listeners.forEach(({ got }, i) => {
      if (i !== (leaver + 2) % 5) assert.deepEqual(got, ['a'], `listener ${i} while ${leaver} leaves`)
      assert.ok(got.length <= 1)
    })
  }
})

test('a member that joins while a record is offered gets the next one', () => {
  const hub = new Hub(hashOf)
  const first = new Listener()
  const second = new Listener()
  hub.join('a', first)
  first.onOffer = () => {
    first.onOffer = () => {}
    hub.join('a', second)
  }
  publish(hub, 'a')
  assert.deepEqual(second.got, [])
  publish(hub, 'a')
  assert.deepEqual(second.got, ['a'])
})
