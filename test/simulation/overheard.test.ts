import assert from 'node:assert/strict'
import test from 'node:test'
import { makeEvent } from '../../src/wire/frames.ts'
import { decodeToken, encodeToken } from '../../src/wire/token.ts'
import { SimBroker } from './broker.ts'
import { Overheard } from './overheard.ts'
import type { LogRecord } from './partition-log.ts'
import { Truth } from './truth.ts'
import { Verdict } from './verdict.ts'
import { VirtualTime } from './virtual-time.ts'
import { Witness } from './witness.ts'

/** A client that polls for the last two events of `a`, in a log of three. */
function polling() {
  const broker = new SimBroker(new VirtualTime(), 1, 'ranges')
  const truth = new Truth(broker)
  let nowMs = 0
  const clock = () => nowMs
  const verdict = new Verdict(clock, () => {}, {})
  const wish = { ref: 1, subject: 'a', after: [], last: 2 }
  const overheard = new Overheard(false, truth, verdict, clock)
  const write = () => {
    const event = makeEvent({ subject: 'a' })
    const written = { key: null, value: null, event, timeMs: nowMs, damaged: false, transaction: undefined }
    const record = broker.log(0).append(written, nowMs)
    truth.add(record)
    return record
  }
  const [, older, newest] = [write(), write(), write()]
  const tokenAt = (offset: number) => encodeToken([{ ...broker.current, partition: 0, offset, generation: 0 }])
  const witness = new Witness('client', wish, truth, { verdict, nowMs: clock })
  overheard.asks(wish, witness)
  return {
    older,
    newest,
    /** A poll is sent to a gateway that has read so far; the gateway reads on. */
    sentTo: (head: number) => {
      nowMs += 10
      const gateway = { at: head }
      overheard.reached({ reading: () => ({ sinceMs: 0, from: 0 }), head: () => gateway.at })
      return gateway
    },
    answered: (events: readonly LogRecord[], position: number, isLive: boolean) => {
      nowMs += 10
      for (const { event, partition, offset } of events) {
        const after = tokenAt(offset + 1)
        overheard.frame({ kind: 'delivery', partition, offset, event: event!, after })
        const content = { text: () => '', json: () => undefined }
        witness.event({ ...event!, ...content, kind: 'event', stream: 'events', partition, offset, after })
      }
      overheard.position(tokenAt(position))
      if (isLive) overheard.frame({ kind: 'live', ref: 0 })
    },
    get broken() {
      return verdict.failure?.promise
    },
    get missing() {
      return witness.missing()
    },
  }
}

test('of the last events, one that a gateway reads while the request is on its way is counted, and due once another gateway has it', () => {
  for (const [readsOnTo, given, broken] of [
    [3, 'newest', undefined],
    [3, 'nothing', 'covered'],
    // The gateway that was asked first has not read the newest either: then the one before the older is among the last.
    [2, 'newest', 'last'],
  ] as const) {
    const client = polling()
    const first = client.sentTo(2)
    first.at = readsOnTo
    client.answered([client.older], 2, false)
    client.sentTo(2)
    client.answered([], 2, true)
    client.sentTo(3)
    client.answered(given === 'newest' ? [client.newest] : [], 3, false)
    assert.equal(client.broken, broken, `it had read up to ${readsOnTo}, and ${given} came later`)
  }
})

test('of the last events, who has them is owed nothing else of what was there, wherever it is live', () => {
  const client = polling()
  client.sentTo(3)
  client.answered([client.older, client.newest], 3, false)
  client.sentTo(0)
  client.answered([], 3, true)
  assert.equal(client.broken, undefined)
  assert.equal(client.missing, undefined)
})

test('where two refs of a connection are of one subscription, the positions of both count as presented', () => {
  for (const [generation, isExcused] of [
    [-1, true],
    [0, false],
  ] as const) {
    const broker = new SimBroker(new VirtualTime(), 1, 'ranges')
    const truth = new Truth(broker)
    let nowMs = 0
    const clock = () => nowMs
    const verdict = new Verdict(clock, () => {}, {})
    const log = broker.log(0)
    const write = () => {
      const event = makeEvent({ subject: 'a' })
      truth.add(
        log.append({ key: null, value: null, event, timeMs: nowMs, damaged: false, transaction: undefined }, nowMs),
      )
    }
    const at = (offset: number, of: number) =>
      encodeToken([{ ...broker.current, partition: 0, offset, generation: of }])
    const witness = new Witness('client', { subject: 'a' }, truth, { verdict, nowMs: clock })
    witness.begins(decodeToken(at(0, 0)))
    log.skip(2, nowMs)
    nowMs = 10
    log.rewrite(0, nowMs)
    write()
    write()
    const overheard = new Overheard(true, truth, verdict, clock)
    overheard.asks({ ref: 1, subject: 'a', after: [at(2, generation)] }, witness)
    overheard.asks({ ref: 2, subject: 'a', after: [at(0, 0)] }, witness)
    overheard.reached({ reading: () => ({ sinceMs: 0, from: 0 }), head: () => 2 })
    overheard.frame({ kind: 'subscribed', ref: 1, after: at(2, generation) })
    overheard.frame({ kind: 'subscribed', ref: 2, after: at(0, 0) })
    const was = `the first of them came with generation ${generation}`
    assert.equal(verdict.failure, undefined, was)
    assert.equal(witness.missing() === undefined, isExcused, was)
  }
})
