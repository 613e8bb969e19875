import type { Source, StreamInfo } from '../../src/source/source.ts'
import type { ModelBroker } from './broker.ts'

/** Several model brokers as one that has the stream of each, in an incarnation of its own. */
export function severalStreams(brokers: readonly ModelBroker[]): Source {
  const [first] = brokers
  const of = ({ name }: Pick<StreamInfo, 'name'>): ModelBroker => {
    const found = brokers.find(({ info }) => info.name === name)
    if (found === undefined) throw new Error(`there is no stream ${name}`)
    return found
  }
  return {
    kind: first!.kind,
    name: first!.name,
    firstOffset: first!.firstOffset,
    generations: first!.generations,
    describe: (name) => Promise.resolve(infoOf(of({ name }))),
    create: () => Promise.resolve(),
    createCommand: (name) => first!.createCommand(name),
    offsets: (stream, partition) => of(stream).offsets(stream, partition),
    offsetAt: (stream, partition, timeMs) => of(stream).offsetAt(stream, partition, timeMs),
    tail: (stream, from, sink) => of(stream).tail(stream, from, sink),
    range: (stream, chunk, sink) => of(stream).range(stream, chunk, sink),
    publish: (stream, records) => of(stream).publish(stream, records),
    close: () => Promise.resolve(),
  }
}

export function infoOf({ info }: ModelBroker): StreamInfo {
  return { ...info, incarnation: `${info.name} ${info.incarnation}` }
}
