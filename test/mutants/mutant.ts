import type { SourceKind } from '../simulation/simulated-source.ts'

/** Which check catches a fault: histories on virtual time, those over the model of a broker's adapter, or one test file. */
export type Check = 'simulation' | { readonly source: SourceKind } | { readonly unit: string }

/** One change of the real code that breaks a promise or what the documentation says, and the check that catches it. */
export interface Mutant {
  readonly name: string
  /** Below src/. */
  readonly file: string
  /** Text that the file has exactly once, and what stands there instead. */
  readonly from: string
  readonly to: string
  readonly by: Check
  /** What it breaks, where the name does not say it. */
  readonly breaks?: string
  /** Of what few histories notice: seeds of those, as `--seeds` takes them. */
  readonly seeds?: string
}
