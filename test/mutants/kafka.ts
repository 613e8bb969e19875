import type { Mutant } from './mutant.ts'

export const kafkaMutants: readonly Mutant[] = [
  {
    name: "an older leader's word counts",
    file: 'source/kafka/cursor.ts',
    from: 'if (leaderEpoch < this.leaderEpoch || (leader',
    to: 'if ((leader',
    by: { unit: 'test/source/kafka-epochs.test.ts' },
    breaks: 'metadata that is older than what is known is not adopted',
  },
  {
    name: 'a compressed batch is damaged where it has a hole at its end',
    file: 'source/kafka/batch-decoder.ts',
    from: 'this.next = Math.max(this.next, Math.min(this.last + 1, this.#to))',
    to: 'this.next = Math.max(this.next, Math.min(this.last, this.#to))',
    by: { unit: 'test/source/kafka-decoder.test.ts' },
    breaks: 'a batch is passed as a whole, though its last records were compacted away',
  },
  {
    name: 'a batch that is given up leaves its numbers behind',
    file: 'source/kafka/lane.ts',
    from: '      this.#identity = undefined\n      const { name: topic }',
    to: '      const { name: topic }',
    by: { unit: 'test/source/kafka-publisher.test.ts' },
    breaks: 'a publication is acknowledged only once the broker has it',
  },
  {
    name: 'a batch takes one number',
    file: 'source/kafka/lane.ts',
    from: '(identity.sequence + batch.length) % sequences',
    to: '(identity.sequence + 1) % sequences',
    by: { unit: 'test/source/kafka-publisher.test.ts' },
    breaks: 'the next batch goes on behind the last record of the one before',
  },
  {
    name: 'a question is asked again of the leader that refused it',
    file: 'source/kafka/leader-calls.ts',
    from: 'const known = attempt === 0 ? this.#topics.get(stream.name) : undefined',
    to: 'const known = this.#topics.get(stream.name)',
    by: { unit: 'test/source/kafka-publisher.test.ts' },
    breaks: 'a request follows a partition to its new leader',
  },
  {
    name: 'what is published to a topic that was created again goes to the old one',
    file: 'source/kafka/publisher.ts',
    from: 'if (topic?.incarnation !== stream.incarnation) {',
    to: 'if (topic === undefined) {',
    by: { unit: 'test/source/kafka-publisher.test.ts' },
    breaks: 'events can be published once a topic was created again',
  },
]
