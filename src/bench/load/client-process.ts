import { answer } from '../process/child.ts'
import type { Published } from './account.ts'
import type { Converse } from './conversation.ts'
import { Crowd, type CrowdOptions, type CrowdReport, type CrowdResult } from './crowd.ts'

export interface OpenCrowd extends CrowdOptions {
  /** By its name among the process's conversations. */
  readonly conversation: string
}

/** A process that holds clients: what it answers to. A file of another server calls `runClients` with its own conversations. */
export function clientHandlers(conversations: Readonly<Record<string, Converse>>) {
  let crowd: Crowd
  return {
    open: (options: OpenCrowd): void => {
      const converse = conversations[options.conversation]
      if (converse === undefined) {
        const known = Object.keys(conversations).join(', ')
        throw new Error(`expected a conversation of ${known}, got ${options.conversation}`)
      }
      crowd = new Crowd(converse, options)
    },
    connect: (_: null): Promise<void> => crowd.connect(),
    storm: (_: null): Promise<void> => crowd.storm(),
    churn: (perSecond: number): void => crowd.churn(perSecond),
    window: (window: { fromUs: number; toUs: number }): void => crowd.window(window),
    endWindow: (toUs: number): void => crowd.endWindow(toUs),
    hurry: (_: null): void => crowd.hurry(),
    lacking: (published: Published): { late: number; lost: number; told: number } => crowd.lacking(published),
    report: (_: null): CrowdReport => crowd.report(),
    result: (_: null): CrowdResult => crowd.result(),
  }
}
export type ClientHandlers = ReturnType<typeof clientHandlers>

export function runClients(conversations: Readonly<Record<string, Converse>>): void {
  answer(clientHandlers(conversations))
}
