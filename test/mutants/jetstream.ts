import type { Mutant } from './mutant.ts'

export const jetstreamMutants: readonly Mutant[] = [
  {
    name: 'what a new consumer brings again is shown again',
    file: 'source/jetstream/partition-reader.ts',
    from: '      this.#compare()\n      return\n',
    to: '      this.#compare()\n',
    by: { unit: 'test/source/jetstream-reader.test.ts' },
    breaks: 'each record is shown once, in order',
  },
  {
    name: 'a hole that came after the question is judged by its answer',
    file: 'source/jetstream/partition-reader.ts',
    from: '        if (at >= known) break\n',
    to: '',
    by: { unit: 'test/source/jetstream-reader.test.ts' },
    breaks: 'retention that made a hole is told',
  },
  {
    name: 'retention between two questions of a chunk is not told',
    file: 'source/jetstream/range.ts',
    from: 'return { next, offsets: { first: after.first, head: Math.max(head, after.first) } }',
    to: 'return { next, offsets: before }',
    by: { unit: 'test/source/jetstream-range.test.ts' },
    breaks: 'what retention took while a chunk was read is told',
  },
  {
    name: 'a chunk shows what lies behind a hole of retention',
    file: 'source/jetstream/range.ts',
    from: '      if (streamSequence > next && next < first && next > start) return next\n',
    to: '',
    by: { unit: 'test/source/jetstream-range.test.ts' },
    breaks: 'what retention took while a chunk was read is told',
  },
  {
    name: 'a record that was overtaken is written behind the later one',
    file: 'source/jetstream/lane.ts',
    from: '    this.#rejectOvertaken()\n    for',
    to: '    for',
    by: { unit: 'test/source/jetstream-lane.test.ts' },
    breaks: 'the records of a publication are in their order, or it fails',
  },
]
