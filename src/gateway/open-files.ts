import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'
import { CarillonError } from '../base/errors.ts'
import type { Descriptors } from '../edge/context.ts'

/** What the gateway keeps for itself: a quarter of its limit, within these; never less than it has open, and the admin listener's with some more. */
const mostKept = 1000
const leastSpare = 96

/** This process's descriptors, as its clients may use them. Throws `listen_failed` where there are too few for any. */
export function descriptorsForClients(): Descriptors {
  return { forClients: forClients(limitOfThisProcess(), openNow()), canOpen }
}

/** How many descriptors clients may have of `limit`, where `own` are open before the first has come. Throws `listen_failed` where that is none. */
export function forClients(limit: number, own: number): number {
  const kept = Math.max(own + leastSpare, Math.min(mostKept, Math.floor(limit / 4)))
  if (limit > kept) return limit - kept
  const said = `expected to be allowed more than ${kept} open files, which the gateway needs for itself, got ${limit}`
  throw new CarillonError('listen_failed', `${said}: raise LimitNOFILE (systemd), or ulimit -n`)
}

/** Node has raised its soft limit to the hard one. */
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

/** `/dev/fd` is the process's own on Linux and macOS; the listing has one open itself. */
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
