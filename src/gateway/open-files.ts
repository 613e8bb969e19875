import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'
import { keptDescriptors, openFileLimits } from '../base/descriptors.ts'
import { CarillonError } from '../base/errors.ts'
import type { Descriptors } from '../edge/context.ts'

/**
 * Returns this process's descriptors, as its clients may use them. Throws `listen_failed` if
 * there are too few for any client.
 */
export function descriptorsForClients(): Descriptors {
  return { forClients: forClients(limitOfThisProcess(), openNow()), canOpen }
}

/**
 * Returns how many descriptors of `limit` clients may use, if `own` are open before the first
 * client comes. Throws `listen_failed` if that is none.
 */
export function forClients(limit: number, own: number): number {
  const kept = keptDescriptors(limit, own)
  if (limit > kept) return limit - kept
  const problem = `expected to be allowed more than ${kept} open files, which the gateway needs for itself, got ${limit}`
  throw new CarillonError('listen_failed', `${problem}: raise LimitNOFILE (systemd), or ulimit -n`)
}

/** Returns the limit of open files: Node has raised its soft limit to the hard one. */
function limitOfThisProcess(): number {
  try {
    return openFileLimits(readFileSync('/proc/self/limits', 'utf8'))?.soft ?? Number.POSITIVE_INFINITY
  } catch {
    // No /proc.
    const limit = execFileSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim()
    return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit)
  }
}

/**
 * Counts the open descriptors: `/dev/fd` lists those of the process on Linux and macOS, including
 * one for the listing itself.
 */
function openNow(): number {
  return readdirSync('/dev/fd').length - 1
}

function canOpen(): boolean {
  try {
    closeSync(openSync(devNull, 'r'))
    return true
  } catch {
    return false
  }
}
