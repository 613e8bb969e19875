import { choice, type Problem, setting, text } from '../base/setting.ts'
import { type OpenOptions, parseBrokerUrl } from './open.ts'

export const brokerSettings = {
  broker: setting(
    text('url', { check: parseBrokerUrl }),
    'embedded:.carillon/dev',
    'kafka://HOST:PORT[,HOST:PORT], nats://HOST:PORT (or tls://), or embedded:DIRECTORY',
  ),
}

/**
 * Layout of a topic on NATS. `family` = one JetStream stream a partition, which Carillon can
 * create; `single` = one JetStream stream as it is.
 */
export const streamLayouts = ['family', 'single'] as const
export type StreamLayout = (typeof streamLayouts)[number]

export const layoutSetting = setting(
  choice('layout', streamLayouts),
  'family',
  'NATS only. family: one JetStream stream per partition; single: one existing JetStream stream, whose NATS subjects are the subjects',
)

interface LaidOut {
  readonly topic: string
  readonly partitions: number
  readonly layout: StreamLayout
}

/**
 * Returns problems of layouts in combination with the broker and the partition count; each
 * stream's options are valid on their own.
 */
export function layoutProblems(broker: string, streams: Readonly<Record<string, LaidOut>>): Problem[] {
  const { kind } = parseBrokerUrl(broker)
  return Object.entries(streams).flatMap(([name, { layout, partitions }]) => {
    if (layout === 'family') return []
    if (kind !== 'nats') {
      return [{ path: `${name}.layout`, message: `expected no layout beside a broker that is not NATS, got ${layout}` }]
    }
    if (partitions === 1) return []
    const message = `expected 1 for layout single, which has one partition, got ${partitions}: say partitions: 1`
    return [{ path: `${name}.partitions`, message }]
  })
}

/** The parts of a configuration that concern its broker, of any kind. */
interface Configured extends Pick<Required<OpenOptions>, 'kafka' | 'nats' | 'embedded'> {
  readonly limits: { readonly maxEventBytes: number }
  readonly streams: Readonly<Record<string, Pick<LaidOut, 'topic' | 'layout'>>>
}

/** Returns the options with which to open the configured broker. */
export function sourceOptions({ kafka, nats, embedded, limits, streams }: Configured): OpenOptions {
  const { maxEventBytes } = limits
  const singleStreams = Object.values(streams).flatMap(({ topic, layout }) => (layout === 'single' ? [topic] : []))
  return { kafka, nats: { ...nats, singleStreams }, embedded: { ...embedded, maxEventBytes } }
}
