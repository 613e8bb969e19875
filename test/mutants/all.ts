import { baseMutants } from './base.ts'
import { clientMutants } from './client.ts'
import { edgeMutants } from './edge.ts'
import { embeddedMutants } from './embedded.ts'
import { fanoutMutants } from './fanout.ts'
import { jetstreamMutants } from './jetstream.ts'
import { kafkaMutants } from './kafka.ts'
import { logMutants } from './log.ts'
import type { Mutant } from './mutant.ts'
import { operationsMutants } from './operations.ts'
import { routesMutants } from './routes.ts'
import { sessionMutants } from './session.ts'
import { wireMutants } from './wire.ts'

export const mutants: readonly Mutant[] = [
  ...baseMutants,
  ...clientMutants,
  ...edgeMutants,
  ...embeddedMutants,
  ...fanoutMutants,
  ...jetstreamMutants,
  ...kafkaMutants,
  ...logMutants,
  ...operationsMutants,
  ...routesMutants,
  ...sessionMutants,
  ...wireMutants,
]
