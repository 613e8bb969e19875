import type { Metrics } from '../process/metrics.ts'
import type { Endpoint } from './socket.ts'

/** How clients and the publisher reach the servers. */
export interface Reach {
  readonly clients: {
    /** The process's file. */
    readonly file: URL
    /** Name of the conversation in it. */
    readonly conversation: string
    /** true = the process leads its own session. */
    readonly ownSession?: boolean
  }
  readonly publisher: {
    readonly file: URL
    /** Name of the way in that file, and the data for it. Readable once the target has started. */
    readonly way: string
    readonly settings: unknown
  }
  /** Where clients connect: client i to endpoint i modulo their count. */
  readonly endpoints: readonly Endpoint[]
}

/**
 * The system under measurement: servers, the clients' protocol, and how events are published.
 * Carillon is one target (bench/carillon/). The same load measures another server that has a
 * target, with one file for the client process (`runClients` with its conversations) and one for
 * the publisher process (`runPublisher` with its ways).
 */
export interface Target extends Reach {
  /** Name and version, for reports. */
  readonly name: string
  /** Settings and versions that a reader needs to repeat the run. */
  readonly settings: Readonly<Record<string, unknown>>
  /** Returns the current processes of the server and of its broker, on this host only. */
  pids(): { readonly server: readonly number[]; readonly broker: readonly number[] }
  /**
   * Starts the servers that the target runs itself. Rejects with an error that says what was
   * expected and what to do.
   */
  start(): Promise<void>
  /** Ends and removes everything that the target started. */
  stop(): Promise<void>
  /** Returns a problem that ends the run, such as a server that has ended; undefined = none. */
  problem(): string | undefined
  /**
   * Scrapes each server's metrics; undefined for one that does not answer. Empty for servers
   * without metrics.
   */
  metrics(): Promise<readonly (Metrics | undefined)[]>
  /**
   * Kills one server without a shutdown; restarts it where no other server can take its clients.
   * undefined = the target does not support it.
   */
  readonly crash: (() => Promise<void>) | undefined
}
