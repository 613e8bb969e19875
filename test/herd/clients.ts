import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { answer } from '../../src/bench/process/child.ts'
import { HerdClient, type Tally, tally } from './client.ts'
import { countOf, herdSubject } from './event.ts'

/** A process that holds clients of the herd. */

const autogroupFile = '/proc/self/autogroup'
/** Connections are opened each so many ms, and so many at once where this process comes late to it: hosts of their own would not meet. */
const tickMs = 5
const maxAtOnce = 50

export interface HerdOptions {
  /** Number of its first client; client i follows the `each` subjects from i × `each` on. */
  readonly first: number
  readonly clients: number
  readonly each: number
  readonly port: number
}

export interface Arrival {
  /** From the first connection until the last client was live, ms. */
  readonly allLiveMs: number
  /** From the first connection until the last one was begun, ms: how well it kept to `withinMs`. */
  readonly begunMs: number
  /** Of each client, from its connection until it was live, ms; ascending. */
  readonly times: readonly number[]
}

let options: HerdOptions
let herd: HerdClient[] = []
const told = tally()

/**
 * Elsewhere the herd's clients would have hosts of their own, so here they get what the others leave. Where the kernel groups processes
 * by session (`sched_autogroup_enabled`), a priority counts within its group only, and the broker is in another one: so this process,
 * as the leader of a session of its own, lowers its group as well.
 */
function comeLast(): void {
  setPriority(constants.priority.PRIORITY_LOW)
  if (!existsSync(autogroupFile)) return
  // Behind the command, which may have spaces: state, parent, process group, session.
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const session = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]
  if (Number(session) === process.pid) writeFileSync(autogroupFile, String(constants.priority.PRIORITY_LOW))
}

/** All connect, spread over `withinMs`; resolves when all are live. */
async function come(withinMs: number): Promise<Arrival> {
  const startMs = performance.now()
  const coming: Promise<number>[] = []
  while (coming.length < herd.length) {
    const share = Math.min(1, (performance.now() - startMs + tickMs) / withinMs)
    const due = Math.min(Math.ceil(herd.length * share), coming.length + maxAtOnce)
    while (coming.length < due) coming.push(herd[coming.length]!.come(options.port))
    if (coming.length < herd.length) await sleep(due < Math.ceil(herd.length * share) ? 0 : tickMs)
  }
  const begunMs = performance.now() - startMs
  const times = await Promise.all(coming)
  return { allLiveMs: performance.now() - startMs, begunMs, times: times.sort((a, b) => a - b) }
}

const handlers = {
  open: (given: HerdOptions): void => {
    options = given
    herd = Array.from({ length: given.clients }, (_, i) => {
      const from = (given.first + i) * given.each
      return new HerdClient(
        Array.from({ length: given.each }, (_, k) => herdSubject(from + k)),
        told,
      )
    })
  },
  come,
  leave: (_: null): void => {
    for (const client of herd) client.leave()
  },
  tally: (_: null): Tally => told,
  /** Events that never came, of the first `published` over `subjects`. */
  lacking: ({ published, subjects }: { published: number; subjects: number }): number => {
    let lacking = 0
    for (const [i, client] of herd.entries()) {
      const from = (options.first + i) * options.each
      for (const [k, { next }] of client.followed.entries()) lacking += countOf(from + k, published, subjects) - next
    }
    return lacking
  },
}
export type HerdHandlers = typeof handlers

comeLast()
answer(handlers)
