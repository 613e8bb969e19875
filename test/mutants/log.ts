import type { Mutant } from './mutant.ts'

export const logMutants: readonly Mutant[] = [
  {
    name: 'a chain leads one entry too far back',
    file: 'log/chains.ts',
    from: 'previous[slot] = distance',
    to: 'previous[slot] = distance === 0 ? 0 : distance + 1',
    by: 'simulation',
  },
  {
    name: 'a chain does not lead on',
    file: 'log/chains.ts',
    from: 'if (other >= 0) next[other] = distance',
    to: 'if (other >= 0) next[other] = 0',
    by: 'simulation',
  },
  {
    name: 'the first since an offset is the one after it',
    file: 'log/chains.ts',
    from: 'if (offsets[slot]! < offset) return at',
    to: 'if (offsets[slot]! <= offset) return at',
    by: 'simulation',
  },
  {
    name: 'a slab is given back whose last payload is still shown',
    file: 'log/payloads.ts',
    from: 'this.endOfOldest(headOrdinal) <= ordinal)',
    to: 'this.endOfOldest(headOrdinal) <= ordinal + 1)',
    by: 'simulation',
  },
  {
    name: 'a window shows payloads whose slab was taken',
    file: 'log/window.ts',
    from: 'this.tail = this.offsetOf(to - 1) + 1\n      this.tailOrdinal = to',
    to: 'this.tail = this.offsetOf(to - 1)\n      this.tailOrdinal = to - 1',
    by: 'simulation',
  },
  {
    name: 'a window claims to have the index of what a taken slab held',
    file: 'log/window.ts',
    from: 'if (to > this.indexOrdinal) this.indexTail = this.offsetOf(to - 1) + 1',
    to: 'if (to > this.indexOrdinal + 1) this.indexTail = this.offsetOf(to - 1)',
    by: 'simulation',
  },
  {
    name: 'a slab that was taken is still written to',
    file: 'log/payloads.ts',
    from: 'if (this.slabs.count === 0) this.#end = this.#write',
    to: '',
    by: 'simulation',
  },
  {
    name: 'a loss ends one early',
    file: 'log/losses.ts',
    from: 'if (list[i]!.to >= offset) return list[i]',
    to: 'if (list[i]!.to > offset) return list[i]',
    by: 'simulation',
  },
  {
    name: 'an epoch agrees up to the end of the next one',
    file: 'log/epochs.ts',
    from: 'find((entry) => entry.epoch > epoch)',
    to: 'find((entry) => entry.epoch > epoch + 1)',
    by: 'simulation',
  },
]
