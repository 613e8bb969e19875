import { CarillonError } from '../base/errors.ts'
import type { StreamSettings } from '../source/settings.ts'
import type { Source, StreamInfo } from '../source/source.ts'
import { type RecentRecords, type RecordJudge, readRecent } from './recent-records.ts'

/** The broker's report on itself and the streams; `problem` = why it could not be asked. */
export interface BrokerFacts {
  readonly kind: Source['kind']
  readonly name: string
  readonly problem?: string
  readonly streams: readonly StreamFacts[]
}

export interface StreamFacts {
  /** Name of the stream in the configuration, and of its topic on the broker. */
  readonly name: string
  readonly topic: string
  /** Absent = the broker has no such stream; `create` is the command that creates it. */
  readonly info?: StreamInfo
  readonly create: string
  /** Reason why the stream exists but cannot be used. */
  readonly problem?: string
  /** The settings, or the reason why they could not be read. */
  readonly settings?: StreamSettings | { readonly kind: 'refused'; readonly problem: string }
  readonly recent?: RecentRecords
}

/** A stream of the configuration. */
export interface StreamConfig {
  readonly name: string
  readonly topic: string
  readonly partitions: number
  /** Decides whether a gateway can use a record. */
  readonly judge: RecordJudge
}

/** Reads the facts from the broker; never rejects because of the broker. */
export async function readBrokerFacts(source: Source, streams: readonly StreamConfig[]): Promise<BrokerFacts> {
  const { kind, name } = source
  const found: StreamFacts[] = []
  try {
    for (const stream of streams) found.push(await readStream(source, stream))
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error
    return { kind, name, problem: error.message, streams: [] }
  }
  return { kind, name, streams: found }
}

async function readStream(source: Source, config: StreamConfig): Promise<StreamFacts> {
  const { name, topic, partitions, judge } = config
  const base = { name, topic, create: source.createCommand(topic, partitions) }
  let info: StreamInfo | undefined
  try {
    info = await source.describe(topic)
  } catch (error) {
    if (error instanceof CarillonError && error.code === 'stream_unusable') return { ...base, problem: error.message }
    throw error
  }
  if (info === undefined) return base
  const settings = await source.settings?.(info).catch(refused)
  const recent = await readRecent(source, info, judge).catch((error: unknown) => {
    return { looked: 0, newestMs: undefined, faults: [], problem: refused(error).problem }
  })
  return { ...base, info, recent, ...(settings === undefined ? {} : { settings }) }
}

function refused(error: unknown): { readonly kind: 'refused'; readonly problem: string } {
  if (!(error instanceof CarillonError)) throw error
  return { kind: 'refused', problem: error.message }
}
