import type { Random } from '../../src/base/random.ts'
import type { Ack, Chunk, RangeEnd, RangeSink, StreamInfo, Tail, TailSink } from '../../src/source/source.ts'
import type { BrokerFault, SimulatedCluster, SimulatedSource } from './simulated-source.ts'
import type { Process } from './virtual-time.ts'

/** Returns a cluster of several streams, each backed by its own cluster. */
export function clusterOf(byStream: ReadonlyMap<string, SimulatedCluster>): SimulatedCluster {
  const clusters = [...byStream.values()]
  if (clusters.length === 1) return clusters[0]!
  const faulty = clusters.filter(({ fault }) => fault !== undefined)
  return {
    open: (process, random, batch) => new StreamsSource(byStream, process, random, batch),
    ...(faulty.length === 0
      ? {}
      : { fault: (fault: BrokerFault) => faulty[Math.floor(((fault.x * 997) % 1) * faulty.length)]!.fault!(fault) }),
    heal: () => {
      for (const cluster of clusters) cluster.heal?.()
    },
  }
}

/** A gateway's source for all streams. */
class StreamsSource implements SimulatedSource {
  readonly kind
  readonly name = 'sim'
  readonly firstOffset
  readonly generations
  readonly tellsGoneRewrites
  readonly #byStream: ReadonlyMap<string, SimulatedSource>

  constructor(clusters: ReadonlyMap<string, SimulatedCluster>, process: Process, random: Random, batch: number) {
    this.#byStream = new Map([...clusters].map(([name, cluster]) => [name, cluster.open(process, random, batch)]))
    const first = [...this.#byStream.values()][0]!
    this.kind = first.kind
    this.firstOffset = first.firstOffset
    this.generations = first.generations
    this.tellsGoneRewrites = first.tellsGoneRewrites
  }

  get latencyMs(): number {
    return [...this.#byStream.values()][0]!.latencyMs
  }

  set latencyMs(latencyMs: number) {
    for (const source of this.#byStream.values()) source.latencyMs = latencyMs
  }

  setAway(away: boolean): void {
    for (const source of this.#byStream.values()) source.setAway(away)
  }

  describe(stream: string): Promise<StreamInfo | undefined> {
    return this.#of(stream).describe(stream)
  }

  create(stream: string, partitions: number): Promise<void> {
    return this.#of(stream).create(stream, partitions)
  }

  createCommand(stream: string, partitions: number): string {
    return this.#of(stream).createCommand(stream, partitions)
  }

  offsets(stream: StreamInfo, partition: number) {
    return this.#of(stream.name).offsets(stream, partition)
  }

  offsetAt(stream: StreamInfo, partition: number, timeMs: number): Promise<number> {
    return this.#of(stream.name).offsetAt(stream, partition, timeMs)
  }

  tail(stream: StreamInfo, from: readonly (number | undefined)[], sink: TailSink): Tail {
    return this.#of(stream.name).tail(stream, from, sink)
  }

  range(stream: StreamInfo, chunk: Chunk, sink: RangeSink): Promise<RangeEnd> {
    return this.#of(stream.name).range(stream, chunk, sink)
  }

  publish(): Promise<Ack[]> {
    return Promise.reject(new Error('nobody publishes through a gateway here'))
  }

  async close(): Promise<void> {
    for (const source of this.#byStream.values()) await source.close()
  }

  #of(stream: string): SimulatedSource {
    return this.#byStream.get(stream)!
  }
}
