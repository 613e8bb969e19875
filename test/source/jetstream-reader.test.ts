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

/** One reader whose consumer is played by the test: what comes over the wire, and what the stream's facts are when asked. */
class Stage implements PartitionReaderOwner {
  readonly layout = familyLayout('n')
  readonly sink = new TailCollector()
  readonly closed = false
  readonly options
  readonly api: JetStreamApi
  readonly reader: PartitionReader
  readonly ended: string[] = []
  /** Whether it can be read, as it says. */
  readonly told: string[] = []
  /** Subjects that were published to. */
  readonly published: string[] = []
  facts: Pick<StreamFacts, 'first' | 'head'> & Partial<StreamFacts> = { first: 1, head: 100 }
  /** Questions for the stream's facts that wait for `answer`; undefined = answered at once. */
  asked: ((facts: StreamFacts) => void)[] | undefined
  unsubscribed = 0
  turn = true
  turnsEnded = 0
  recordBytes = 100
  subscribed = 0
  /** Where the last consumer was to begin. */
  start = 0
  /** Happens when the first sequence since a time is asked for. */
  onSearch = () => {}
  /** Happens when a consumer is created. */
  onCreation = () => {}
  /** Whether the stream has a record from there on. */
  hasFrom = (sequence: number) => sequence < this.facts.head
  created = 'then'
  /** The family is another one by now. */
  isAnother = false
  /** Times that the reader asked to be opened again because the server said less than it had read. */
  doubts = 0
  /** When each record of the stream was stored, Unix ms, by sequence. */
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

  /** A record, with the next number of its consumer unless another is given. */
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
    this.told.push(`awaits ${why}`.trim())
  }
  read(): void {
    this.told.push('read')
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

test('a message that is missing between two others ends the consumer, and nothing behind it is shown', async () => {
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

test('what a consumer brings from before the place of its reader is not shown', async () => {
  const stage = new Stage(1 << 20, 3)
  await stage.open()
  for (const sequence of [1, 2, 3, 4]) stage.send(sequence)
  assert.deepEqual(stage.sink.offsets(), [3, 4])
  assert.deepEqual(stage.ended, [])
})

test('a heartbeat that counts more messages than came ends the consumer', async () => {
  const stage = new Stage()
  await stage.open()
  stage.send(1)
  stage.control(undefined, { 'Nats-Last-Consumer': '1' })
  assert.deepEqual(stage.ended, [])
  stage.control(undefined, { 'Nats-Last-Consumer': '2' })
  assert.match(stage.ended.join(), /sent 2 messages, of which 1 came/)
})

test('flow control is answered once what it counts is shown', async () => {
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

test('a hole is a loss only as far as the stream has moved, and what came after the question waits for the next', async () => {
  const stage = new Stage()
  await stage.open()
  stage.asked = []
  stage.send(1)
  stage.send(4)
  stage.send(5)
  stage.send(9)
  assert.deepEqual(stage.sink.offsets(), [1])
  assert.equal(stage.asked.length, 1)
  // Asked when 4 alone had come: it says nothing of the hole before 9.
  await stage.answer({ first: 3, head: 10 })
  assert.deepEqual(stage.sink.losses, [{ partition: 0, from: 2, to: 2, reason: 'retention' }])
  assert.deepEqual(stage.sink.offsets(), [1, 4, 5])
  await stage.answer({ first: 3, head: 10 })
  assert.deepEqual(stage.sink.offsets(), [1, 4, 5, 9])
  assert.equal(stage.sink.losses.length, 1)
  stage.send(10)
  assert.deepEqual(stage.sink.offsets(), [1, 4, 5, 9, 10])
})

test('more than may be held ends the consumer, and the next one goes on behind what was held', async () => {
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

test('a reader that the log has passed by is told at the second look, when nothing can be on its way any more', async () => {
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

test('a reader with a backlog reads in its turn only, which ends once it has caught up', async () => {
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

/** A stage whose stream is all gone, from `sequence` on: nothing is known of what was below it. */
async function emptied(sequence: number): Promise<Stage> {
  const stage = new Stage(1 << 20, sequence)
  stage.facts = { first: sequence, head: sequence }
  await stage.open()
  return stage
}

test('the end of a stream that moved back is told although retention took the record below it', async () => {
  const stage = await emptied(10)
  stage.facts = { first: 8, head: 8 }
  await stage.open()
  // The server may have been behind: only when it says so again it counts.
  assert.equal(stage.doubts, 1)
  assert.deepEqual(stage.sink.losses, [])
  await stage.open()
  // Where the other history begins nobody knows: what is left of it begins at 8.
  assert.deepEqual(stage.sink.losses, [
    { partition: 0, from: 1, to: 9, reason: 'rewritten' },
    { partition: 0, from: 1, to: 7, reason: 'retention' },
  ])
  for (const sequence of [8, 9, 10]) stage.send(sequence)
  assert.deepEqual(stage.sink.offsets(), [8, 9, 10])
})

test('an end that moved back and has passed the reader since is told by what is there again', async () => {
  const stage = await emptied(10)
  stage.facts = { first: 8, head: 8 }
  await stage.open()
  stage.facts = { first: 8, head: 12 }
  for (const sequence of [8, 9, 10, 11]) stage.times.set(sequence, 1_700_000_000_000 + sequence)
  await stage.open()
  assert.deepEqual(stage.sink.losses[0], { partition: 0, from: 1, to: 9, reason: 'rewritten' })
})

test('what was read before a loss tells where the log was rewritten behind it', async () => {
  const stage = new Stage()
  for (const sequence of [1, 2, 3]) stage.times.set(sequence, 1_700_000_000_000 + sequence)
  await stage.open()
  for (const sequence of [1, 2, 3]) stage.send(sequence)
  stage.facts = { first: 8, head: 8 }
  await stage.open()
  assert.deepEqual(stage.sink.losses, [{ partition: 0, from: 4, to: 7, reason: 'retention' }])
  // A backup came back, with what was gone, and was written to.
  stage.facts = { first: 1, head: 9 }
  for (const sequence of [4, 5, 6, 7, 8]) stage.times.set(sequence, 1_700_000_000_000 + sequence)
  await stage.open()
  await stage.open()
  assert.deepEqual(stage.sink.losses.slice(1), [{ partition: 0, from: 4, to: 7, reason: 'rewritten' }])
})

test('a server that is behind once is no rewrite', async () => {
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

test('what a server said of a log that is gone is no doubt about the one that took its place', async () => {
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

test('a start beyond the end waits there', async () => {
  const stage = new Stage(1 << 20, 10)
  stage.facts = { first: 1, head: 8 }
  await stage.open()
  await stage.open()
  await stage.open()
  assert.deepEqual(stage.sink.losses, [])
  assert.equal(stage.doubts, 0)
})

test('a reader that the stream ends below at a look is opened again', async () => {
  const stage = new Stage()
  await stage.open()
  const look = { created: 'then', begin: 1, config: {} as StreamFacts['config'], recordBytes: 1 }
  for (const sequence of [1, 2, 3]) stage.send(sequence)
  // This one was asked for before they came.
  stage.reader.learned({ first: 1, head: 2, ...look })
  assert.deepEqual(stage.ended, [])
  stage.reader.learned({ first: 1, head: 2, ...look })
  assert.match(stage.ended.join(), /ends at 2, below what was read/)
})

test('an answer from before the messages behind a hole does not judge the hole', async () => {
  const stage = new Stage()
  await stage.open()
  stage.asked = []
  stage.send(1)
  stage.send(4)
  await stage.answer({ first: 1, head: 3 })
  assert.deepEqual(stage.sink.offsets(), [1])
  assert.match(stage.ended.join(), /another time/)
})

/** A stage that has read 1, 2 and 3, and whose consumer has ended. */
async function readThree(): Promise<Stage> {
  const stage = new Stage()
  for (const sequence of [1, 2, 3]) stage.times.set(sequence, 1_700_000_000_000 + sequence)
  await stage.open()
  for (const sequence of [1, 2, 3]) stage.send(sequence)
  return stage
}

test('a consumer begins with the record below, which is another one where the log was rewritten since it was looked at', async () => {
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
  assert.match(other.ended.join(), /the record at 3 is another one/)
  other.send(4)
  assert.deepEqual(other.sink.offsets(), [1, 2, 3])
})

test('a consumer of a stream that ends below what was read, or of another stream, is not read', async () => {
  const shorter = await readThree()
  shorter.onCreation = () => {
    shorter.facts = { first: 1, head: 2 }
    shorter.send(2)
  }
  await shorter.open()
  assert.match(shorter.ended.join(), /another stream, or another time/)

  const other = new Stage()
  other.onCreation = () => {
    other.created = 'now'
    other.send(1)
  }
  await other.open()
  assert.match(other.ended.join(), /another stream, or another time/)
  assert.deepEqual(other.sink.offsets(), [])
})

test('a stream of another family is not read as one of its own', async () => {
  const stage = new Stage()
  stage.isAnother = true
  await stage.open()
  assert.equal(stage.subscribed, 0)
  assert.equal(stage.sink.calls, 0)
})

test('where retention takes the place of a rewrite while it is looked for, the rewrite is told from the first sequence on', async () => {
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

const gives = (next: number) => `its consumer sends nothing, although the stream has records from ${next} on`

test('a partition counts as read once a record has come that was to come, or the stream has none for it', async () => {
  const stage = new Stage()
  await stage.open()
  assert.deepEqual(stage.told, ['awaits'])
  stage.send(1)
  stage.reader.end()
  assert.deepEqual(stage.told, ['awaits', 'read'])
  const idle = new Stage(1 << 20, 100)
  await idle.open()
  assert.deepEqual(idle.told, ['awaits', 'read'])
})

test('a partition whose consumer cannot be created is awaited, also where it waited for its turn before', async () => {
  const stage = new Stage()
  stage.recordBytes = 10_000
  stage.turn = false
  stage.onCreation = () => {
    throw new Error('maximum consumers limit reached')
  }
  await stage.open()
  // Others are read before it: that is nobody's fault.
  assert.deepEqual(stage.told, ['awaits', 'read'])
  stage.turn = true
  await assert.rejects(stage.open(), /maximum consumers/)
  // As its tail counts.
  stage.reader.failures++
  stage.turn = false
  await stage.open()
  assert.deepEqual(stage.told, ['awaits', 'read', 'awaits', 'awaits'])
})

/** Looks until the consumer is made anew; how many it took. */
async function looksUntilEnded(stage: Stage): Promise<number> {
  const { length } = stage.ended
  for (let looks = 1; ; looks++) {
    await stage.reader.lookWhileQuiet()
    if (stage.ended.length > length) return looks
    assert.ok(looks < 100, 'it was never made anew')
  }
}

test('a consumer that gives nothing of what the stream has is made anew after some looks, and later where the next one gives nothing either', async () => {
  const stage = new Stage()
  await stage.open()
  stage.send(1)
  stage.reader.end()
  stage.told.length = 0
  const looks = []
  for (let i = 0; i < 7; i++) {
    looks.push(await looksUntilEnded(stage))
    await stage.open()
  }
  assert.deepEqual(looks, [3, 6, 12, 24, 48, 48, 48])
  assert.ok(stage.told.every((said) => said === 'awaits' || said === `awaits ${gives(2)}`))
  assert.equal(stage.ended[0], gives(2))
  assert.equal(stage.sink.ends.get(0)?.offsets.head, 100)
  stage.send(2)
  stage.reader.end()
  assert.equal(stage.told.at(-1), 'read')
  assert.equal(await looksUntilEnded(stage), 3)
})

test('a record between two looks begins the count anew, and is no reason to look', async () => {
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

test('a consumer that has nothing to give is left alone, also where the last records of the stream were deleted', async () => {
  const stage = new Stage()
  await stage.open()
  for (let sequence = 1; sequence < 98; sequence++) stage.send(sequence)
  stage.reader.end()
  stage.told.length = 0
  let asked = 0
  stage.hasFrom = () => {
    asked++
    return false
  }
  for (let i = 0; i < 10; i++) await stage.reader.lookWhileQuiet()
  assert.deepEqual([stage.ended, stage.told, asked], [[], [], 1])
  // One more was written.
  stage.facts = { first: 1, head: 101 }
  stage.hasFrom = () => true
  await stage.reader.lookWhileQuiet()
  assert.deepEqual(stage.told, [`awaits ${gives(98)}`])
})

test('a look whose answer comes when a record has come, or from another stream, says nothing', async () => {
  const stage = new Stage()
  await stage.open()
  stage.send(1)
  stage.reader.end()
  stage.told.length = 0
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
  assert.deepEqual([stage.told, stage.ended], [[], []])
})

test('below the place where the sequences of a stream begin nothing was lost', async () => {
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
