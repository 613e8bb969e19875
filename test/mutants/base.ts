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
]
