import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setPriority } from 'node:os'

/** One core for the attacked gateway, one for all other processes. */
export interface Cores {
  readonly gateway: number
  readonly others: number
}

/** Attempts to pin a process. An attempt fails when a thread ends during it. */
const pinAttempts = 10

export const niceness = { honest: -5, attacker: 10 } as const

/** Returns the first two cores that this process may use. */
export function twoCores(): Cores {
  const list = /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]!
  const [gateway, others] = list.split(',').flatMap((range) => {
    const [first, last] = range.split('-').map(Number)
    return Array.from({ length: (last ?? first!) - first! + 1 }, (_, i) => first! + i)
  })
  if (gateway === undefined || others === undefined) throw new Error(`expected two cores, got ${list}`)
  return { gateway, others }
}

/** Pins all threads of the process, and the processes that they will start, to a core. */
export function pin(pid: number, core: number): void {
  for (let left = pinAttempts; ; left--) {
    const args = ['--all-tasks', '--cpu-list', '--pid', `${core}`, `${pid}`]
    const { status, stderr, error } = spawnSync('taskset', args, { encoding: 'utf8' })
    if (status === 0) return
    if (left === 0) throw new Error(`taskset cannot pin process ${pid} to core ${core}: ${error?.message ?? stderr}`)
  }
}

/** Sets the priority of a process; false = this user is not allowed to. */
export function prioritise(pid: number, nice: number): boolean {
  try {
    setPriority(pid, nice)
    return true
  } catch {
    return false
  }
}
