import { styleText } from 'node:util'
import pino from 'pino'
import type { Clock } from '../base/clock.ts'
import { printable } from '../base/printable.ts'
import type { LoggerOptions, LogLevel } from './options.ts'

/** Destination of log lines. */
export interface LogStream {
  write(line: string): void
}

/**
 * Logs messages for operators, about changes, not records. Fields are data: their control
 * characters never reach a terminal.
 */
export interface Logger {
  log(level: LogLevel, message: string, fields?: Record<string, unknown>): void
  /**
   * Logs `message` unless `key` was logged less than `ms` ago. The next line of that key contains
   * the number of lines left out (`suppressed`).
   */
  every(limit: LogLimit, level: LogLevel, message: string, fields?: Record<string, unknown>): void
}

/** The logger for rooms that clients reach, so that repeated requests can't fill the disk. */
export type LimitedLogger = Pick<Logger, 'every'>

/** At most one line per key in `ms`. */
export interface LogLimit {
  readonly key: string
  readonly ms: number
}

/**
 * Maximum keys that `every` remembers. Beyond it the oldest is forgotten, which may repeat a
 * message early.
 */
const maxKeys = 1024
/**
 * Maximum bytes of lines that a stalled reader of the log has not taken. Further lines are
 * dropped, so that the reader can't block the gateway.
 */
const maxUnwrittenBytes = 1 << 20

/** Returns a logger to stderr; stdout is for a command's output. */
export function openLogger(options: LoggerOptions, clock: Clock): Logger {
  const terminal = process.stderr.isTTY === true
  const destination = pino.destination({ dest: 2, sync: terminal, maxLength: maxUnwrittenBytes })
  return createLogger({ ...options, terminal }, clock, destination)
}

interface StreamOptions extends LoggerOptions {
  /** Selects the format for `auto`, and colours. */
  readonly terminal: boolean
}

export function createLogger(options: StreamOptions, clock: Clock, stream: LogStream): Logger {
  const { terminal } = options
  const text = options.format === 'text' || (options.format === 'auto' && terminal)
  const style = terminal && !process.env.NO_COLOR ? coloured : plain
  const lines = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date(clock.nowUs() / 1000).toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
      serializers: { error: pino.stdSerializers.err },
    },
    text ? { write: (line: string) => stream.write(forPeople(line, style)) } : stream,
  )
  return new PinoLogger(lines, clock)
}

interface Repeated {
  quietUntilMs: number
  suppressed: number
}

class PinoLogger implements Logger {
  readonly #lines: pino.Logger
  readonly #clock: Clock
  readonly #repeated = new Map<string, Repeated>()

  constructor(lines: pino.Logger, clock: Clock) {
    this.#lines = lines
    this.#clock = clock
  }

  log(level: LogLevel, message: string, fields: Record<string, unknown> = {}): void {
    this.#lines[level](fields, message)
  }

  every({ key, ms }: LogLimit, level: LogLevel, message: string, fields?: Record<string, unknown>): void {
    const now = this.#clock.monotonicMs()
    const last = this.#repeated.get(key)
    if (last !== undefined && now < last.quietUntilMs) {
      last.suppressed++
      return
    }
    const suppressed = last?.suppressed ?? 0
    this.#repeated.delete(key)
    this.#repeated.set(key, { quietUntilMs: now + ms, suppressed: 0 })
    if (this.#repeated.size > maxKeys) this.#repeated.delete(this.#repeated.keys().next().value!)
    this.log(level, message, suppressed === 0 ? fields : { ...fields, suppressed })
  }
}

const colours = { debug: 'gray', info: 'cyan', warn: 'yellow', error: 'red' } as const

type Style = (level: LogLevel, label: string) => string

const coloured: Style = (level, label) => styleText(colours[level], label, { validateStream: false })
const plain: Style = (_level, label) => label

/** Formats one of pino's JSON lines as `12:34:56.789 WARN  message key=value`. */
function forPeople(line: string, style: Style): string {
  const { level, time, message, error, ...fields } = JSON.parse(line) as {
    level: LogLevel
    time: string
    message: string
    error?: { message: string; stack?: string } | string
    [field: string]: unknown
  }
  const label = level.toUpperCase().padEnd(5)
  const parts = [time.slice(11, 23), style(level, label), printable(message)]
  if (error !== undefined) fields.error = typeof error === 'string' ? error : (error.stack ?? error.message)
  for (const [key, value] of Object.entries(fields)) parts.push(`${key}=${printable(shown(value))}`)
  return `${parts.join(' ')}\n`
}

function shown(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value)
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
}
