import { clientMutants } from './client.ts'
import { edgeMutants } from './edge.ts'
import { fanoutMutants } from './fanout.ts'
import { logMutants } from './log.ts'
import type { Mutant } from './mutant.ts'
import { sessionMutants } from './session.ts'

export const mutants: readonly Mutant[] = [
  ...clientMutants,
  ...edgeMutants,
  ...fanoutMutants,
  ...logMutants,
  ...sessionMutants,
]
