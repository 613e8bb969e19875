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

/**
 * One stream: its topic's name on the broker, and the format of its records, by default
 * `streamFormatDefaults`.
 */
export interface ServedStream extends Partial<StreamFormat> {
  readonly topic: string
  /** Number of partitions, if this gateway creates it. */
  readonly partitions: number
  /** Layout of the topic on NATS; `family` by default. */
  readonly layout?: StreamLayout
}

/** A stream as the configuration has it. */
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

/**
 * Options for what a gateway serves, and to how many clients; `maxSessions` is in the
 * configuration's `limits`.
 */
export const servingSettings = {
  createTopics: setting(onOff, false, 'create missing topics (the embedded log always creates them)'),
  streams,
  maxSessions: setting(whole(1, 10_000_000), 1_000_000, 'sessions open at the same time'),
}

/**
 * Returns a problem for each second stream of a topic: the two could disagree on which subjects
 * are in it.
 */
function topicProblems(streams: Readonly<Record<string, ServedStream>>): Problem[] {
  const byTopic = new Map<string, string>()
  return Object.entries(streams).flatMap(([name, { topic }]) => {
    const other = byTopic.get(topic)
    if (other === undefined) {
      byTopic.set(topic, name)
      return []
    }
    const problem = `expected a topic that no other stream has, got "${topic}", which is the topic of ${other}`
    return [{ path: `${name}.topic`, message: `${problem}: let the routes name ${other} instead` }]
  })
}

/**
 * Returns a problem for each stream whose name has the hash of another: tokens and clients
 * identify a stream by this hash.
 */
function nameProblems(streams: Readonly<Record<string, ServedStream>>): Problem[] {
  const byHash = new Map<number, string>()
  return Object.keys(streams).flatMap((name) => {
    const hash = hashOf(name)
    const other = byHash.get(hash)
    if (other === undefined) {
      byHash.set(hash, name)
      return []
    }
    const problem = `expected names whose 32-bit hashes in tokens differ, and "${name}" has the same one as "${other}"`
    return [{ path: name, message: `${problem}: rename either of the two streams, and in its routes; its topic stays` }]
  })
}

/**
 * Limits for clients, some of them announced in `welcome`: those of a session that a
 * configuration names, and the following.
 */
export interface ServingLimits extends ConfiguredSessionLimits {
  /** Maximum sessions at once, over all transports. */
  readonly maxSessions: number
  /** The edge enforces it. */
  readonly maxFrameBytes: number
  readonly maxEventBytes: number
}

export interface ServingOptions {
  /** Id and version of this gateway, for `welcome`. */
  readonly gateway: string
  readonly version: string
  readonly heartbeatMs: number
  readonly limits: ServingLimits
  /** Limits of a session that a configuration cannot set; `sessionLimits` by default. */
  readonly session?: Partial<Omit<SessionLimits, keyof ConfiguredSessionLimits>>
  /** Streams by the names that routes and tokens use. */
  readonly streams: Readonly<Record<string, ServedStream>>
  /**
   * Whether to create a stream that the broker does not have, instead of waiting for it. An
   * embedded log always creates its streams.
   */
  readonly createTopics: boolean
  readonly window: WindowBudgets
  readonly fill: FillOptions
  readonly readBack: ReadBackBudgets
  /**
   * Seed of the subject hash: unpredictable, so that nobody can choose subjects whose hashes
   * collide.
   */
  readonly seed: number
}

export interface ServingContracts {
  /** The owner opens and closes it; it is read until `close` has resolved. */
  readonly source: Source
  readonly routing: RoutingTable
  readonly clock: LoopClock
  readonly random: Random
  readonly logger: Logger
  /** Instruments to count in. Traces of a stream can be set at any time. */
  readonly instruments: Instruments
}
