import type { ErrorCode } from '../base/errors.ts'
import type { LimitedLogger } from './logger.ts'

/**
 * Interval between log lines of the same message or code, ms. An attacker can repeat a fault at
 * will, and an unavailable broker causes thousands of refusals.
 */
const everyMs = 10_000

/** Logs an internal fault; the client sees only `internal`. */
export function logFault(logger: LimitedLogger, message: string, fields: Record<string, unknown>): void {
  logger.every({ key: message, ms: everyMs }, 'error', message, fields)
}

/** Logs a message that the client does not see: it gets only `code`. */
export function logWithheld(logger: LimitedLogger, code: ErrorCode, message: string): void {
  logger.every({ key: `refused ${code}`, ms: everyMs }, 'warn', message, { code })
}
