import { answer } from '../process/child.ts'
import type { Published } from './account.ts'
import { EventTemplate } from './event-template.ts'
import type { OpenWay, Way } from './outgoing.ts'
import { Publisher, type PublisherOptions, type PublisherReport } from './publisher.ts'

export interface OpenPublisher extends PublisherOptions {
  /** By its name among the process's ways. */
  readonly way: string
  readonly target: unknown
}

/** A process that publishes: what it answers to. A file of another server calls `runPublisher` with its own ways. */
export function publisherHandlers(ways: Readonly<Record<string, OpenWay>>) {
  let way: Way | undefined
  let publisher: Publisher
  return {
    open: async (options: OpenPublisher): Promise<void> => {
      const open = ways[options.way]
      if (open === undefined) throw new Error(`expected a way of ${Object.keys(ways).join(', ')}, got ${options.way}`)
      const { prefix, subjects, payloadBytes, target } = options
      const envelopeBytes = new EventTemplate(prefix, payloadBytes).bytes
      way = await open({ prefix, subjects, envelopeBytes, target })
      publisher = new Publisher(options, way)
    },
    calibrate: ({ options, forMs }: { options: PublisherOptions; forMs: number }): number =>
      Publisher.calibrate(options, forMs),
    start: (pace: { rate: number; startUs: number }): void => publisher.start(pace),
    burst: (count: number): Promise<void> => publisher.burst(count),
    stop: (_: null): Promise<Published> => publisher.stop(),
    report: (_: null): PublisherReport => publisher.report(),
    close: async (_: null): Promise<void> => way?.close(),
  }
}
export type PublisherHandlers = ReturnType<typeof publisherHandlers>

export function runPublisher(ways: Readonly<Record<string, OpenWay>>): void {
  answer(publisherHandlers(ways))
}
