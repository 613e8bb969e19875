import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headers, type Msg, MsgImpl, type NatsConnection } from '@nats-io/transport-node'
import type { JetStreamApi, StreamFacts } from '../../src/source/jetstream/api.ts'
import { parseTime } from '../../src/source/jetstream/delivery.ts'
import { familyLayout } from '../../src/source/jetstream/layout.ts'
import { natsDefaults } from '../../src/source/jetstream/options.ts'
import { PartitionReader, type PartitionReaderOwner } from '../../src/source/jetstream/partition-reader.ts'
import { settled } from '../model/clock.ts'
import { TailCollector } from './collector.ts'

/** One reader. The test plays its consumer: the messages on the wire, and the stream's facts. */
class Stage implements PartitionReaderOwner {
  readonly layout = familyLayout('n')
  readonly sink = new TailCollector()
  readonly closed = false
  readonly options
  readonly api: JetStreamApi
  readonly reader: PartitionReader
  readonly ended: string[] = []
  /** Calls of `awaits` and `read`. */
  readonly readiness: string[] = []
  /** Subjects of publishes. */
  readonly published: string[] = []
  facts: Pick<StreamFacts, 'first' | 'head'> & Partial<StreamFacts> = { first: 1, head: 100 }
  /** Requests for the stream's facts that wait for `answer`; undefined = answered at once. */
  asked: ((facts: StreamFacts) => void)[] | undefined
  unsubscribed = 0
  turn = true
  turnsEnded = 0
  recordBytes = 100
  subscribed = 0
  /** Start sequence of the last consumer. */
  start = 0
  /** Runs when the reader asks for the first sequence since a time. */
  onSearch = () => {}
  /** Runs when a consumer is created. */
  onCreation = () => {}
  /** Returns whether the stream has a record at or after `sequence`. */
  hasFrom = (sequence: number) => sequence < this.facts.head
  created = 'then'
  /** Whether the family was re-created. */
  isAnother = false
  /** Calls of `doubtful`. */
  doubts = 0
  /** Time of storage of each record by sequence, Unix ms. */
  readonly times = new Map<number, number>()
  #callback: ((error: Error | null, message: Msg) => void) | undefined
  #sent = 0

  constructor(maxHeldBytes = 1 << 20, next = 1) {
    this.options = { ...natsDefaults, servers: [], maxHeldBytes }
    const connection = {
      publish: (subject: string) => this.published.push(subject),
      subscribe: (_: string, { callback }: { callback: (error: Error | null, message: Msg) => void }) => {
        this.#callback = callback
        this.#sent = 0
        this.subscribed++
        return { unsubscribe: () => this.unsubscribed++ }
      },
    } as unknown as NatsConnection
    this.api = {
      link: { current: connection },
      stream: () => {
        const { asked } = this
        if (asked === undefined) return Promise.resolve(this.#full)
        return new Promise<StreamFacts>((resolve) => asked.push(resolve))
      },
      addConsumer: (_: string, { opt_start_seq: start }: { opt_start_seq: number }) => {
        this.start = start
        this.onCreation()
        return Promise.resolve({ num_pending: Math.max(0, this.facts.head - start) })
      },
      dropConsumer: () => {},
      hasFrom: (_: string, sequence: number) => Promise.resolve(this.hasFrom(sequence)),
      timeOf: (_: string, sequence: number) => {
        const timeMs = this.times.get(sequence)
        return Promise.resolve(timeMs === undefined ? undefined : { timeMs, timeNs: 0 })
      },
      sequenceAt: (_: string, time: string) => {
        const from = parseTime(time)
        this.onSearch()
        const isLater = (timeMs: number) => timeMs > from.timeMs || (timeMs === from.timeMs && from.timeNs === 0)
        const later = [...this.times].find(([, timeMs]) => isLater(timeMs))
        return Promise.resolve(later?.[0] ?? this.facts.head)
      },
    } as unknown as JetStreamApi
    this.reader = new PartitionReader(this, 0, next)
  }

  get #full(): StreamFacts {
    return {
      begin: 1,
      ...this.facts,
      created: this.created,
      config: {} as StreamFacts['config'],
      recordBytes: this.recordBytes,
    }
  }

  open(): Promise<void> {
    return this.reader.open(this.api.link.current!)
  }

  /** Sends a record, with the next consumer sequence unless another is given. */
  send(sequence: number, consumerSequence = this.#sent + 1): void {
    this.#sent = consumerSequence
    const timeMs = this.times.get(sequence) ?? 1_700_000_000_000
    const reply = Buffer.from(`$JS.ACK.n-0.c.1.${sequence}.${consumerSequence}.${timeMs}000000.1`)
    const argument = { subject: Buffer.from('n.0.k'), reply, sid: 1, hdr: -1, size: 1 }
    this.#deliver(new MsgImpl(argument, Buffer.from('v'), undefined as never))
  }

  control(reply: string | undefined, header: Record<string, string> = {}): void {
    const all = headers(100, 'Control')
    for (const [name, value] of Object.entries(header)) all.set(name, value)
    const bytes = Buffer.from((all as unknown as { encode(): Uint8Array }).encode())
    const argument = { subject: Buffer.from('inbox'), sid: 1, hdr: bytes.length, size: bytes.length }
    const message = new MsgImpl(
      { ...argument, ...(reply === undefined ? {} : { reply: Buffer.from(reply) }) },
      bytes,
      undefined as never,
    )
    this.#deliver(message)
  }

  #deliver(message: MsgImpl): void {
    this.#callback!(null, message as unknown as Msg)
  }

  async answer(facts: Pick<StreamFacts, 'first' | 'head'>): Promise<void> {
    this.facts = facts
    this.asked!.shift()!(this.#full)
    await settled()
  }

  awaits(_: PartitionReader, why: string): void {
    this.readiness.push(`awaits ${why}`.trim())
  }
  read(): void {
    this.readiness.push('read')
  }
  takeTurn(): boolean {
    return this.turn
  }
  endTurn(): void {
    this.turnsEnded++
  }
  shown(): void {}
  broken(_: PartitionReader, why: string): void {
    this.ended.push(why)
    this.reader.stop()
  }
  lacking(): void {}
  doubtful(): void {
    this.doubts++
  }
  familyChanged(): Promise<boolean> {
    return Promise.resolve(this.isAnother)
  }
}

test('a missing message ends the consumer, and no later message is shown', async () => {
  const stage = new Stage()
  await stage.open()
  stage.send(1)
  stage.send(3, 3)
  stage.send(4)
  assert.deepEqual(stage.sink.offsets(), [1])
  assert.match(stage.ended.join(), /message 2 of its consumer is missing/)
  await stage.open()
  stage.send(2)
  assert.deepEqual(stage.sink.offsets(), [1, 2])
})

test("records below the reader's position are not shown", async () => {
  const stage = new Stage(1 << 20, 3)
  await stage.open()
  for (const sequence of [1, 2, 3, 4]) stage.send(sequence)
  assert.deepEqual(stage.sink.offsets(), [3, 4])
  assert.deepEqual(stage.ended, [])
})

test('a heartbeat that counts more messages than arrived ends the consumer', async () => {
  const stage = new Stage()
  await stage.open()
  stage.send(1)
  stage.control(undefined, { 'Nats-Last-Consumer': '1' })
  assert.deepEqual(stage.ended, [])
  stage.control(undefined, { 'Nats-Last-Consumer': '2' })
  assert.match(stage.ended.join(), /sent 2 messages, but 1 arrived/)
})

test('flow control is answered once the messages before it are shown', async () => {
  const stage = new Stage()
  await stage.open()
  stage.send(1)
  stage.control('$JS.FC.1')
  assert.deepEqual(stage.published, ['$JS.FC.1'])
  stage.control(undefined, { 'Nats-Consumer-Stalled': '$JS.FC.2' })
  assert.deepEqual(stage.published, ['$JS.FC.1', '$JS.FC.2'])
  stage.asked = []
  stage.send(5)
  stage.control('$JS.FC.3')
  assert.equal(stage.published.length, 2)
  await stage.answer({ first: 1, head: 6 })
  assert.deepEqual(stage.sink.offsets(), [1, 5])
  assert.equal(stage.published.at(-1), '$JS.FC.3')
})

test("a hole is a loss only below the stream's first sequence, and a message after the question waits for the next answer", async () => {
  const stage = new Stage()
  await stage.open()
  stage.asked = []
  stage.send(1)
  stage.send(4)
  stage.send(5)
  stage.send(9)
  assert.deepEqual(stage.sink.offsets(), [1])
  assert.equal(stage.asked.length, 1)
  // The request was made when only 4 had arrived, so the answer does not cover the hole before 9.
  await stage.answer({ first: 3, head: 10 })
  assert.deepEqual(stage.sink.losses, [{ partition: 0, from: 2, to: 2, reason: 'retention' }])
  assert.deepEqual(stage.sink.offsets(), [1, 4, 5])
  await stage.answer({ first: 3, head: 10 })
  assert.deepEqual(stage.sink.offsets(), [1, 4, 5, 9])
  assert.equal(stage.sink.losses.length, 1)
  stage.send(10)
  assert.deepEqual(stage.sink.offsets(), [1, 4, 5, 9, 10])
})

test('exceeding the limit of held bytes ends the consumer, and the next one continues after the held messages', async () => {
  const stage = new Stage(1000)
  await stage.open()
  stage.asked = []
  let sequence = 3
  while (stage.unsubscribed === 0) stage.send(sequence++)
  assert.ok(sequence > 4)
  assert.deepEqual(stage.sink.offsets(), [])
  await stage.answer({ first: 1, head: 100 })
  assert.deepEqual(
    stage.sink.offsets(),
    Array.from({ length: sequence - 3 }, (_, i) => i + 3),
  )
  assert.deepEqual(stage.ended, [''])
  assert.equal(stage.reader.next, sequence)
})

test('a loss below the first sequence is reported at the second look, when no record can still be in transit', async () => {
  const stage = new Stage()
  await stage.open()
  const look = { first: 5, head: 9, created: 'then', begin: 1, config: {} as StreamFacts['config'], recordBytes: 1 }
  stage.reader.learned(look)
  assert.deepEqual(stage.sink.losses, [])
  stage.reader.learned(look)
  assert.deepEqual(stage.sink.losses, [{ partition: 0, from: 1, to: 4, reason: 'retention' }])
  stage.send(5)
  assert.deepEqual(stage.sink.offsets(), [5])
})

test('a reader with a backlog reads only in its turn, which ends once it has caught up', async () => {
  const stage = new Stage()
  stage.recordBytes = 10_000
  stage.turn = false
  await stage.open()
  assert.equal(stage.subscribed, 0)
  assert.deepEqual(stage.sink.ends.get(0)?.offsets, { first: 1, head: 100 })
  stage.turn = true
  await stage.open()
  assert.equal(stage.subscribed, 1)
  assert.equal(stage.turnsEnded, 0)
  stage.reader.end()
  assert.equal(stage.turnsEnded, 0)
  stage.send(1)
  stage.reader.end()
  stage.reader.end()
  assert.equal(stage.turnsEnded, 1)
})

/**
 * A stage whose stream lost all records, from `sequence` on: nothing is known about the records
 * below.
 */
async function emptied(sequence: number): Promise<Stage> {
  const stage = new Stage(1 << 20, sequence)
  stage.facts = { first: sequence, head: sequence }
  await stage.open()
  return stage
}

test('an end that moved back is reported even if retention removed the record below it', async () => {
  const stage = await emptied(10)
  stage.facts = { first: 8, head: 8 }
  await stage.open()
  // The server may be outdated, so only a second such answer counts.
  assert.equal(stage.doubts, 1)
  assert.deepEqual(stage.sink.losses, [])
  await stage.open()
  // The start of the other history is unknown; its remaining records begin at 8.
  assert.deepEqual(stage.sink.losses, [
    { partition: 0, from: 1, to: 9, reason: 'rewritten' },
    { partition: 0, from: 1, to: 7, reason: 'retention' },
  ])
  for (const sequence of [8, 9, 10]) stage.send(sequence)
  assert.deepEqual(stage.sink.offsets(), [8, 9, 10])
})

test('an end that moved back and has since passed the reader is recognised by records that are present again', async () => {
  const stage = await emptied(10)
  stage.facts = { first: 8, head: 8 }
  await stage.open()
  stage.facts = { first: 8, head: 12 }
  for (const sequence of [8, 9, 10, 11]) stage.times.set(sequence, 1_700_000_000_000 + sequence)
  await stage.open()
  assert.deepEqual(stage.sink.losses[0], { partition: 0, from: 1, to: 9, reason: 'rewritten' })
})

test('the last record before a loss shows where the log was rewritten', async () => {
  const stage = new Stage()
  for (const sequence of [1, 2, 3]) stage.times.set(sequence, 1_700_000_000_000 + sequence)
  await stage.open()
  for (const sequence of [1, 2, 3]) stage.send(sequence)
  stage.facts = { first: 8, head: 8 }
  await stage.open()
  assert.deepEqual(stage.sink.losses, [{ partition: 0, from: 4, to: 7, reason: 'retention' }])
  // A restored backup contains the removed records again, and then new ones.
  stage.facts = { first: 1, head: 9 }
  for (const sequence of [4, 5, 6, 7, 8]) stage.times.set(sequence, 1_700_000_000_000 + sequence)
  await stage.open()
  await stage.open()
  assert.deepEqual(stage.sink.losses.slice(1), [{ partition: 0, from: 4, to: 7, reason: 'rewritten' }])
})

test('one outdated answer is not a rewrite', async () => {
  const stage = await emptied(10)
  stage.facts = { first: 4, head: 7 }
  await stage.open()
  stage.facts = { first: 10, head: 11 }
  await stage.open()
  stage.facts = { first: 4, head: 7 }
  await stage.open()
  assert.equal(stage.doubts, 2)
  assert.deepEqual(stage.sink.losses, [])
})

test('doubts about a deleted log do not count for the one that replaces it', async () => {
  const stage = await emptied(10)
  stage.facts = { first: 4, head: 7 }
  await stage.open()
  stage.reader.restart()
  stage.facts = { first: 1, head: 3 }
  await stage.open()
  for (const sequence of [1, 2]) stage.send(sequence)
  stage.facts = { first: 1, head: 2 }
  await stage.open()
  assert.equal(stage.doubts, 2)
  assert.deepEqual(stage.sink.losses, [])
})

test('a reader that starts beyond the end waits there', async () => {
  const stage = new Stage(1 << 20, 10)
  stage.facts = { first: 1, head: 8 }
  await stage.open()
  await stage.open()
  await stage.open()
  assert.deepEqual(stage.sink.losses, [])
  assert.equal(stage.doubts, 0)
})

test("a reader is opened again if a look finds the stream's end below it", async () => {
  const stage = new Stage()
  await stage.open()
  const look = { created: 'then', begin: 1, config: {} as StreamFacts['config'], recordBytes: 1 }
  for (const sequence of [1, 2, 3]) stage.send(sequence)
  // This request was made before they arrived.
  stage.reader.learned({ first: 1, head: 2, ...look })
  assert.deepEqual(stage.ended, [])
  stage.reader.learned({ first: 1, head: 2, ...look })
  assert.match(stage.ended.join(), /ends at 2, below the last record/)
})

test('an answer older than the messages after a hole does not judge the hole', async () => {
  const stage = new Stage()
  await stage.open()
  stage.asked = []
  stage.send(1)
  stage.send(4)
  await stage.answer({ first: 1, head: 3 })
  assert.deepEqual(stage.sink.offsets(), [1])
  assert.match(stage.ended.join(), /for a time before/)
})

/** A stage that has read 1, 2 and 3, and whose consumer has ended. */
async function readThree(): Promise<Stage> {
  const stage = new Stage()
  for (const sequence of [1, 2, 3]) stage.times.set(sequence, 1_700_000_000_000 + sequence)
  await stage.open()
  for (const sequence of [1, 2, 3]) stage.send(sequence)
  return stage
}

test('a consumer starts with the record below, which differs if the log was rewritten since the look', async () => {
  const stage = await readThree()
  await stage.open()
  assert.equal(stage.start, 3)
  stage.send(3)
  assert.deepEqual(stage.ended, [])
  stage.send(4)
  assert.deepEqual(stage.sink.offsets(), [1, 2, 3, 4])

  const other = await readThree()
  await other.open()
  other.times.set(3, 1_800_000_000_000)
  other.send(3)
  assert.match(other.ended.join(), /the record at 3 differs/)
  other.send(4)
  assert.deepEqual(other.sink.offsets(), [1, 2, 3])
})

test('a consumer of a stream that ends below the position, or of another stream, is not read', async () => {
  const shorter = await readThree()
  shorter.onCreation = () => {
    shorter.facts = { first: 1, head: 2 }
    shorter.send(2)
  }
  await shorter.open()
  assert.match(shorter.ended.join(), /another stream, or for a time/)

  const other = new Stage()
  other.onCreation = () => {
    other.created = 'now'
    other.send(1)
  }
  await other.open()
  assert.match(other.ended.join(), /another stream, or for a time/)
  assert.deepEqual(other.sink.offsets(), [])
})

test('a stream of a re-created family is not read as the old one', async () => {
  const stage = new Stage()
  stage.isAnother = true
  await stage.open()
  assert.equal(stage.subscribed, 0)
  assert.equal(stage.sink.calls, 0)
})

test('if retention removes the start of a rewrite during the search, the rewrite is reported from the first sequence on', async () => {
  const stage = await readThree()
  for (const sequence of [2, 3, 4, 5]) stage.times.set(sequence, 1_700_000_001_000 + sequence)
  stage.facts = { first: 1, head: 6 }
  stage.onSearch = () => {
    for (const sequence of [1, 2]) stage.times.delete(sequence)
    stage.facts = { first: 3, head: 6 }
  }
  await stage.open()
  assert.deepEqual(stage.sink.losses[0], { partition: 0, from: 1, to: 3, reason: 'rewritten' })
})

const deliversNothing = (next: number) =>
  `its consumer delivers nothing, although the stream has records from ${next} on`

test('a partition counts as read once an awaited record arrives or the stream has none', async () => {
  const stage = new Stage()
  await stage.open()
  assert.deepEqual(stage.readiness, ['awaits'])
  stage.send(1)
  stage.reader.end()
  assert.deepEqual(stage.readiness, ['awaits', 'read'])
  const idle = new Stage(1 << 20, 100)
  await idle.open()
  assert.deepEqual(idle.readiness, ['awaits', 'read'])
})

test('a partition whose consumer cannot be created is awaited, even if it waited for its turn before', async () => {
  const stage = new Stage()
  stage.recordBytes = 10_000
  stage.turn = false
  stage.onCreation = () => {
    throw new Error('maximum consumers limit reached')
  }
  await stage.open()
  // Waiting for other readers is not a failure.
  assert.deepEqual(stage.readiness, ['awaits', 'read'])
  stage.turn = true
  await assert.rejects(stage.open(), /maximum consumers/)
  // Counted as its tail does.
  stage.reader.failures++
  stage.turn = false
  await stage.open()
  assert.deepEqual(stage.readiness, ['awaits', 'read', 'awaits', 'awaits'])
})

/** Looks until the consumer is replaced; returns the number of looks. */
async function looksUntilEnded(stage: Stage): Promise<number> {
  const { length } = stage.ended
  for (let looks = 1; ; looks++) {
    await stage.reader.lookWhileQuiet()
    if (stage.ended.length > length) return looks
    assert.ok(looks < 100, 'it was never replaced')
  }
}

test('a consumer that delivers nothing of what the stream has is replaced after some looks, and more slowly if the next one delivers nothing either', async () => {
  const stage = new Stage()
  await stage.open()
  stage.send(1)
  stage.reader.end()
  stage.readiness.length = 0
  const looks = []
  for (let i = 0; i < 7; i++) {
    looks.push(await looksUntilEnded(stage))
    await stage.open()
  }
  assert.deepEqual(looks, [3, 6, 12, 24, 48, 48, 48])
  assert.ok(stage.readiness.every((said) => said === 'awaits' || said === `awaits ${deliversNothing(2)}`))
  assert.equal(stage.ended[0], deliversNothing(2))
  assert.equal(stage.sink.ends.get(0)?.offsets.head, 100)
  stage.send(2)
  stage.reader.end()
  assert.equal(stage.readiness.at(-1), 'read')
  assert.equal(await looksUntilEnded(stage), 3)
})

test('a record between two looks restarts the count, and makes a look unnecessary', async () => {
  const stage = new Stage()
  await stage.open()
  stage.send(1)
  stage.reader.end()
  assert.deepEqual([stage.reader.isQuiet(), stage.reader.isQuiet()], [false, true])
  await stage.reader.lookWhileQuiet()
  await stage.reader.lookWhileQuiet()
  stage.send(2)
  stage.reader.end()
  assert.equal(stage.reader.isQuiet(), false)
  assert.equal(await looksUntilEnded(stage), 3)
})

test("a consumer with nothing to deliver is kept, even if the stream's last records were deleted", async () => {
  const stage = new Stage()
  await stage.open()
  for (let sequence = 1; sequence < 98; sequence++) stage.send(sequence)
  stage.reader.end()
  stage.readiness.length = 0
  let asked = 0
  stage.hasFrom = () => {
    asked++
    return false
  }
  for (let i = 0; i < 10; i++) await stage.reader.lookWhileQuiet()
  assert.deepEqual([stage.ended, stage.readiness, asked], [[], [], 1])
  // One more record was written.
  stage.facts = { first: 1, head: 101 }
  stage.hasFrom = () => true
  await stage.reader.lookWhileQuiet()
  assert.deepEqual(stage.readiness, [`awaits ${deliversNothing(98)}`])
})

test('an answer to a look is ignored after a record has arrived, or from another stream', async () => {
  const stage = new Stage()
  await stage.open()
  stage.send(1)
  stage.reader.end()
  stage.readiness.length = 0
  stage.asked = []
  for (let i = 0; i < 5; i++) {
    const look = stage.reader.lookWhileQuiet()
    stage.send(2 + i)
    await stage.answer({ first: 1, head: 100 })
    await look
  }
  stage.asked = undefined
  stage.created = 'now'
  for (let i = 0; i < 5; i++) await stage.reader.lookWhileQuiet()
  assert.deepEqual([stage.readiness, stage.ended], [[], []])
})

test('nothing is lost below the configured first sequence of a stream', async () => {
  const stage = new Stage()
  stage.facts = { begin: 9000, first: 1, head: 9000 }
  await stage.open()
  assert.deepEqual([stage.sink.ends.get(0)?.next, stage.sink.losses], [9000, []])
  stage.send(9000)
  stage.send(9001)
  assert.deepEqual([stage.sink.offsets(), stage.sink.losses], [[9000, 9001], []])
  const trimmed = new Stage()
  trimmed.facts = { begin: 9000, first: 9005, head: 9010 }
  await trimmed.open()
  assert.deepEqual(trimmed.sink.losses, [{ partition: 0, from: 9000, to: 9004, reason: 'retention' }])
})
