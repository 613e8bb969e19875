import { answer } from '../process/child.ts'
import type { Published } from './account.ts'
import { type Arrival, Clients, type ClientsOptions, type ClientsReport, type ClientsResult } from './clients.ts'
import type { Converse } from './conversation.ts'

export interface OpenClients extends ClientsOptions {
  /** By its name among the process's conversations. */
  readonly conversation: string
}

/** A process that holds clients: what it answers to. A file of another server calls `runClients` with its own conversations. */
export function clientHandlers(conversations: Readonly<Record<string, Converse>>) {
  let clients: Clients
  return {
    open: (options: OpenClients): void => {
      const converse = conversations[options.conversation]
      if (converse === undefined) {
        const known = Object.keys(conversations).join(', ')
        throw new Error(`expected a conversation of ${known}, got ${options.conversation}`)
      }
      clients = new Clients(converse, options)
    },
    connect: (_: null): Promise<void> => clients.connect(),
    storm: (_: null): Promise<void> => clients.storm(),
    leave: (_: null): void => clients.leave(),
    come: (withinMs: number): Promise<Arrival> => clients.come(withinMs),
    churn: (perSecond: number): void => clients.churn(perSecond),
    window: (window: { fromUs: number; toUs: number }): void => clients.window(window),
    endWindow: (toUs: number): void => clients.endWindow(toUs),
    hurry: (_: null): void => clients.hurry(),
    lacking: (published: Published): { late: number; lost: number; told: number } => clients.lacking(published),
    report: (_: null): ClientsReport => clients.report(),
    result: (_: null): ClientsResult => clients.result(),
  }
}
export type ClientHandlers = ReturnType<typeof clientHandlers>

export function runClients(conversations: Readonly<Record<string, Converse>>): void {
  answer(clientHandlers(conversations))
}
