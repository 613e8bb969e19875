import { choice, section, setting, whole } from '../base/setting.ts'

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]
export const logFormats = ['auto', 'json', 'text'] as const
export type LogFormat = (typeof logFormats)[number]

export interface LoggerOptions {
  /** Minimum level; lower levels are dropped. */
  readonly level: LogLevel
  /**
   * `json`: one object per line. `text`: one line for people. `auto`: text on a terminal,
   * otherwise json.
   */
  readonly format: LogFormat
}

export const loggerSettings = {
  logLevel: setting(choice('level', logLevels), 'info', 'minimum level to log'),
  logFormat: setting(choice('format', logFormats), 'auto', 'auto: text on a terminal, json otherwise'),
}

/**
 * Limits on the cost of traces, however much publishers sample. Excess counts as `over_budget`.
 */
export interface TraceOptions {
  /** Maximum events per second that become spans. */
  readonly eventsPerSecond: number
  /**
   * Maximum delivery spans per event on this gateway: for the first delivery and the latest ones.
   */
  readonly deliveriesPerEvent: number
  /** Maximum delivery spans per second, including those of catch-ups. */
  readonly deliveriesPerSecond: number
  /**
   * Age of an event, ms, from which a delivery is a replay: a separate trace with a link to the
   * event's.
   */
  readonly replayAfterMs: number
}

export const traceSection = section<TraceOptions>('limits on traces; the OTEL_* variables turn traces on', {
  eventsPerSecond: setting(whole(0, 100_000), 100, 'sampled events that get spans, per second'),
  deliveriesPerEvent: setting(
    whole(0, 10_000),
    10,
    'delivery spans of one event: its first delivery and the latest ones',
  ),
  deliveriesPerSecond: setting(whole(0, 100_000), 500, 'delivery spans per second'),
  replayAfterMs: setting(
    whole(0, 86_400_000),
    60_000,
    "age of an event from which a delivery is traced separately, with a link to the event's trace",
  ),
})

export const traceDefaults = traceSection.default
