import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'
import { CarillonError } from '../base/errors.ts'
import type { Descriptors } from '../edge/context.ts'

/**
 * Descriptors that the gateway keeps for itself: a quarter of its limit, at most `mostKept`, but
 * at least those open at the start plus `leastSpare` for the admin listener and others.
 */
const mostKept = 1000
const leastSpare = 96

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
  const kept = Math.max(own + leastSpare, Math.min(mostKept, Math.floor(limit / 4)))
  if (limit > kept) return limit - kept
  const problem = `expected to be allowed more than ${kept} open files, which the gateway needs for itself, got ${limit}`
  throw new CarillonError('listen_failed', `${problem}: raise LimitNOFILE (systemd), or ulimit -n`)
}

/** Returns the limit of open files: Node has raised its soft limit to the hard one. */
function limitOfThisProcess(): number {
  try {
    const [, soft] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return numberOf(soft ?? '')
  } catch {
    // No /proc.
    return numberOf(execFileSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim())
  }
}

const numberOf = (limit: string): number => (/^\d+$/.test(limit) ? Number(limit) : Number.POSITIVE_INFINITY)

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
