import { CarillonError } from '../base/errors.ts'
import type { ConfigError } from '../config/mistakes.ts'

/** What a command's end says to scripts. */
export const exitCodes = {
  ok: 0,
  /** The command was right and could not be carried out. */
  failed: 1,
  /** The command or the configuration is wrong; nothing was started. */
  usage: 2,
  /** The gateway or broker could not be reached. */
  unreachable: 3,
  /** It was carried out, and there is something to look at, but nothing that fails. */
  warned: 4,
  /** Ended by Ctrl-C before it was done (128 + SIGINT, as shells have it). */
  interrupted: 130,
} as const

/** What is still open when all is done, an export to a collector that does not answer, keeps the process so long, ms. */
const lingerMs = 200

/** To be called when the command is done: the process ends by itself, or else soon. */
export function endSoon(): void {
  setTimeout(() => process.exit(), lingerMs).unref()
}

/** A gateway that did not answer at all. */
export class Unreachable extends Error {}

/** Says what went wrong in one clear line a mistake, and sets the exit code. */
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

/** What the code of an error, from the errors table or newer than it, says to scripts. */
export function exitCodeOfCode(code: string): number {
  if (code === 'broker_unavailable') return exitCodes.unreachable
  return code.startsWith('bad_') ? exitCodes.usage : exitCodes.failed
}

/** By its name: a command that reads no configuration does not load what does. */
function isConfigError(error: unknown): error is ConfigError {
  return error instanceof Error && error.name === 'ConfigError'
}
