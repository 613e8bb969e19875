import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setPriority } from 'node:os'

/** One core for what is attacked, one for all else. */
export interface Cores {
  readonly gateway: number
  readonly others: number
}

/** A thread that ends meanwhile makes one fail. */
const pinAttempts = 10

export const niceness = { honest: -5, attacker: 10 } as const

/** The first two cores that this process may use. */
export function twoCores(): Cores {
  const list = /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]!
  const [gateway, others] = list.split(',').flatMap((range) => {
    const [first, last] = range.split('-').map(Number)
    return Array.from({ length: (last ?? first!) - first! + 1 }, (_, i) => first! + i)
  })
  if (gateway === undefined || others === undefined) throw new Error(`expected two cores, got ${list}`)
  return { gateway, others }
}

/** All threads of the process, and what they will start. */
export function pin(pid: number, core: number): void {
  for (let left = pinAttempts; ; left--) {
    const args = ['--all-tasks', '--cpu-list', '--pid', `${core}`, `${pid}`]
    const { status, stderr, error } = spawnSync('taskset', args, { encoding: 'utf8' })
    if (status === 0) return
    if (left === 0) throw new Error(`taskset can't pin process ${pid} to core ${core}: ${error?.message ?? stderr}`)
  }
}

/** False = this user may not. */
export function prioritise(pid: number, nice: number): boolean {
  try {
    setPriority(pid, nice)
    return true
  } catch {
    return false
  }
}
