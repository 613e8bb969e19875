import type { LoopClock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { group, onOff, type Problem, required, type Setting, setting, table, text, whole } from '../base/setting.ts'
import type { FillOptions } from '../fanout/options.ts'
import type { RoutingTable } from '../routing/table.ts'
import type { ConfiguredSessionLimits, SessionLimits } from '../session/options.ts'
import { layoutSetting, type StreamLayout } from '../source/options.ts'
import type { Source } from '../source/source.ts'
import type { Instruments } from '../telemetry/instruments.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type StreamFormat, streamFormatDefaults, streamFormatSettings } from '../wire/stream-format.ts'
import { hashOf } from '../wire/token.ts'
import type { ReadBackBudgets, WindowBudgets } from './sizes.ts'

/** One stream: name of the topic on the broker, and what its records are; `streamFormatDefaults` where that is not given. */
export interface ServedStream extends Partial<StreamFormat> {
  readonly topic: string
  /** How many partitions it gets where this gateway creates it. */
  readonly partitions: number
  /** What the topic is on NATS; `family` unless given. */
  readonly layout?: StreamLayout
}

/** The same, as the configuration has it. */
type ConfiguredStream = Required<ServedStream>

const usual = { topic: 'carillon', partitions: 4 } as const

const streams: Setting<Readonly<Record<string, ConfiguredStream>>> = {
  form: table(
    /^[A-Za-z0-9._-]{1,128}$/,
    group<ConfiguredStream>({
      topic: required(text('name', { least: 1 }), 'name of the topic on the broker'),
      partitions: setting(
        whole(1, 100_000),
        usual.partitions,
        'number of partitions, if the gateway creates the topic',
      ),
      layout: layoutSetting,
      ...streamFormatSettings,
    }),
  ),
  about: 'name -> {topic, partitions, layout, format, framing, contentType, headers, maxJsonBytes}',
  default: { events: { ...usual, layout: 'family', ...streamFormatDefaults } },
  written: { events: usual },
  problems: (streams) => [...topicProblems(streams), ...nameProblems(streams)],
}

/** What a gateway serves and to how many; `maxSessions` stands in the configuration's `limits`. */
export const servingSettings = {
  createTopics: setting(onOff, false, 'create missing topics (the embedded log always creates them)'),
  streams,
  maxSessions: setting(whole(1, 10_000_000), 1_000_000, 'sessions open at the same time'),
}

/** Two streams of one topic would each have its own idea of which subjects are in it. */
function topicProblems(streams: Readonly<Record<string, ServedStream>>): Problem[] {
  const byTopic = new Map<string, string>()
  return Object.entries(streams).flatMap(([name, { topic }]) => {
    const other = byTopic.get(topic)
    if (other === undefined) {
      byTopic.set(topic, name)
      return []
    }
    const said = `expected a topic that no other stream has, got "${topic}", which is the topic of ${other}`
    return [{ path: `${name}.topic`, message: `${said}: let the routes name ${other} instead` }]
  })
}

/** Tokens and clients know a stream by the hash of its name. */
function nameProblems(streams: Readonly<Record<string, ServedStream>>): Problem[] {
  const byHash = new Map<number, string>()
  return Object.keys(streams).flatMap((name) => {
    const hash = hashOf(name)
    const other = byHash.get(hash)
    if (other === undefined) {
      byHash.set(hash, name)
      return []
    }
    const said = `expected names whose 32-bit hashes in tokens differ, and "${name}" has the same one as "${other}"`
    return [{ path: name, message: `${said}: rename either of the two streams, and in its routes; its topic stays` }]
  })
}

/** What clients are held to, and told of at `welcome`: each limit of a session that a configuration names, and these. */
export interface ServingLimits extends ConfiguredSessionLimits {
  /** Sessions at once, over all transports. */
  readonly maxSessions: number
  /** The edge holds clients to it. */
  readonly maxFrameBytes: number
  readonly maxEventBytes: number
}

export interface ServingOptions {
  /** Id of this gateway and its version, for `welcome`. */
  readonly gateway: string
  readonly version: string
  readonly heartbeatMs: number
  readonly limits: ServingLimits
  /** Limits of a session that no configuration names; `sessionLimits` where they are not given. */
  readonly session?: Partial<Omit<SessionLimits, keyof ConfiguredSessionLimits>>
  /** By the names that routes and tokens have for them. */
  readonly streams: Readonly<Record<string, ServedStream>>
  /** Creates a stream that the broker does not have, or waits for it. An embedded log is always created. */
  readonly createTopics: boolean
  readonly window: WindowBudgets
  readonly fill: FillOptions
  readonly readBack: ReadBackBudgets
  /** Seed of the subject hash: hard to guess, so that nobody can choose subjects whose hashes collide. */
  readonly seed: number
}

export interface ServingContracts {
  /** Opened and closed by whoever gives it; read until `close` has resolved. */
  readonly source: Source
  readonly routing: RoutingTable
  readonly clock: LoopClock
  readonly random: Random
  readonly logger: Logger
  /** Counted in. Whoever wants traces sets those of a stream, at any time. */
  readonly instruments: Instruments
}
