import type { Mutant } from './mutant.ts'

export const baseMutants: readonly Mutant[] = [
  {
    name: 'a timer of more than a turn runs a turn early',
    file: 'base/wheel.ts',
    from: '    if (timer.due > now) continue\n',
    to: '',
    by: { unit: 'test/base/wheel.test.ts' },
    breaks: 'a timer never runs early',
  },
  {
    name: 'the steps of a close are not waited for',
    file: 'base/close-all.ts',
    from: 'await step()',
    to: 'void step()',
    by: { unit: 'test/base/close-all.test.ts' },
    breaks: 'what is closed is closed one after the other, and failures are told',
  },
  {
    name: 'surrogates are UTF-8',
    file: 'base/utf8.ts',
    from: 'lead === 0xed ? 0x9f : lead',
    to: 'lead === 0xed ? 0xbf : lead',
    by: { unit: 'test/base/utf8.test.ts' },
    breaks: 'strings that are not UTF-8 are refused',
  },
  {
    name: 'a timer that is due in exactly a turn is not armed',
    file: 'base/wheel.ts',
    from: 'tick <= this.#tick + this.#slots.length; tick++',
    to: 'tick < this.#tick + this.#slots.length; tick++',
    by: { unit: 'test/base/wheel.test.ts' },
    breaks: 'a timer runs at most one tick late',
  },
]
