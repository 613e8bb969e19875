import type { ErrorCode } from '../base/errors.ts'
import type { LimitedLogger } from './logger.ts'

/** Whoever found a fault can repeat it, and a broker that is away refuses thousands: one line of each message or code in so many ms. */
const everyMs = 10_000

/** A fault of ours, of which a client hears `internal` and no more. */
export function logFault(logger: LimitedLogger, message: string, fields: Record<string, unknown>): void {
  logger.every({ key: message, ms: everyMs }, 'error', message, fields)
}

/** What a client hears of by `code` alone. */
export function logWithheld(logger: LimitedLogger, code: ErrorCode, message: string): void {
  logger.every({ key: `refused ${code}`, ms: everyMs }, 'warn', message, { code })
}
