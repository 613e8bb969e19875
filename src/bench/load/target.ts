import type { Metrics } from '../process/metrics.ts'
import type { Endpoint } from './socket.ts'

/** Where a load goes: how clients and the publisher reach the servers. */
export interface Reach {
  readonly clients: {
    /** The process's file. */
    readonly file: URL
    /** Name of the conversation in it. */
    readonly conversation: string
    /** The process leads a session of its own. */
    readonly ownSession?: boolean
  }
  readonly publisher: {
    readonly file: URL
    /** Name of the way in it, and what the way is told; may be read once the target has started. */
    readonly way: string
    readonly settings: unknown
  }
  /** Where clients connect: client i to number i modulo their count. */
  readonly endpoints: readonly Endpoint[]
}

/**
 * What is measured: servers, how clients talk to them, and how events get in. Carillon is one (bench/carillon/); another server is
 * measured by the same load when it has one, with a file each for the process of clients (`runClients` with its conversations)
 * and for the process that publishes (`runPublisher` with its ways).
 */
export interface Target extends Reach {
  /** With its version, for reports. */
  readonly name: string
  /** What a reader must know to repeat the run: settings, versions. */
  readonly settings: Readonly<Record<string, unknown>>
  /** Processes of the server and of its broker, as of now; only such on this host. */
  pids(): { readonly server: readonly number[]; readonly broker: readonly number[] }
  /** Starts what it starts itself; rejects with what was expected and what to do. */
  start(): Promise<void>
  /** Ends and removes what it started. */
  stop(): Promise<void>
  /** A problem that ends the run, such as a server that has gone; undefined while there is none. */
  problem(): string | undefined
  /** A scrape of each server's metrics, undefined for one that does not answer; none where it has no such. */
  metrics(): Promise<readonly (Metrics | undefined)[]>
  /** Kills one server without a warning; starts it again where no other can take its clients. Undefined = can't be done to it. */
  readonly crash: (() => Promise<void>) | undefined
}
