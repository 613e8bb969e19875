import { CarillonError } from '../base/errors.ts'
import type { ConfigError } from '../config/mistakes.ts'

/** Exit codes of all commands, for scripts. */
export const exitCodes = {
  ok: 0,
  /** The command was valid, but failed. */
  failed: 1,
  /** The command or the configuration is invalid; nothing was started. */
  usage: 2,
  /** The gateway or broker could not be reached. */
  unreachable: 3,
  /** The command succeeded with warnings. */
  warned: 4,
  /** Ctrl-C ended the command before it was done (128 + SIGINT, the convention of shells). */
  interrupted: 130,
} as const

/** Ends the process if stdout fails. A reader that closed the pipe (`| head`) is not an error. */
export function exitWithStdout(name: string): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok)
    console.error(`${name}: cannot write to stdout: ${error.message}`)
    process.exit(exitCodes.failed)
  })
}

/**
 * Maximum time that open handles keep the process alive after the command, ms; for example, an
 * export to a collector that does not answer.
 */
const lingerMs = 200

/**
 * Ends the process after `lingerMs` unless it exits by itself. Call it when the command is done.
 */
export function endSoon(): void {
  setTimeout(() => process.exit(), lingerMs).unref()
}

/** A gateway that did not answer at all. */
export class Unreachable extends Error {}

/** Prints one line per mistake on stderr, and sets the exit code. */
export function fail(error: unknown): void {
  process.exitCode = exitCodeOf(error)
  if (isConfigError(error)) {
    for (const mistake of error.mistakes) console.error(`carillon: ${mistake}`)
  } else if (error instanceof CarillonError) {
    console.error(`carillon: ${error.message} (${error.code})`)
  } else console.error(`carillon: ${error instanceof Error ? error.message : String(error)}`)
}

function exitCodeOf(error: unknown): number {
  if (isConfigError(error)) return exitCodes.usage
  if (error instanceof Unreachable) return exitCodes.unreachable
  return error instanceof CarillonError ? exitCodeOfCode(error.code) : exitCodes.failed
}

/** Returns the exit code for an error code, which may be newer than the errors table. */
export function exitCodeOfCode(code: string): number {
  if (code === 'broker_unavailable') return exitCodes.unreachable
  return code.startsWith('bad_') ? exitCodes.usage : exitCodes.failed
}

/** Compares by name, so that commands without configuration do not load its module. */
function isConfigError(error: unknown): error is ConfigError {
  return error instanceof Error && error.name === 'ConfigError'
}
