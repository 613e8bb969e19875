import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { carillonConversations } from '../../src/bench/carillon/conversations.ts'
import { runClients } from '../../src/bench/load/client-process.ts'

/** The process that holds clients which come back at once. */

const autogroupFile = '/proc/self/autogroup'

/**
 * Elsewhere these clients would have hosts of their own, so here they get what the others leave. Where the kernel groups processes
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

comeLast()
runClients(carillonConversations)
