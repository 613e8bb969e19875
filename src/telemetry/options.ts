import { choice, section, setting, whole } from '../base/setting.ts'

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]
export const logFormats = ['auto', 'json', 'text'] as const
export type LogFormat = (typeof logFormats)[number]

export interface LoggerOptions {
  /** What is less grave is left out. */
  readonly level: LogLevel
  /** `json`: one object a line. `text`: one line for people. `auto`: text on a terminal, else json. */
  readonly format: LogFormat
}

export const loggerSettings = {
  logLevel: setting(choice('level', logLevels), 'info', 'minimum level to log'),
  logFormat: setting(choice('format', logFormats), 'auto', 'auto: text on a terminal, json otherwise'),
}

/** Bounds of what traces may cost, whatever publishers sample. What is beyond is counted as `over_budget`. */
export interface TraceOptions {
  /** Events that become spans, a second. */
  readonly eventsPerSecond: number
  /** Delivery spans of one event on this gateway: its first delivery and the latest ones. */
  readonly deliveriesPerEvent: number
  /** Delivery spans, a second, those while catching up among them. */
  readonly deliveriesPerSecond: number
  /** A delivery this long after publishing is a replay: a trace of its own that links to the event's, ms. */
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
