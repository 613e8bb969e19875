import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { carillonConversations } from '../../src/bench/carillon/conversations.ts'
import { runClients } from '../../src/bench/load/client-process.ts'

/** Entry point of a process that holds the clients that reconnect at once. */

const autogroupFile = '/proc/self/autogroup'

/**
 * Lowers this process's priority: in production these clients run on other hosts, so here they
 * use only the CPU time that others leave. Where the kernel groups processes by session
 * (`sched_autogroup_enabled`), a priority counts only within its group, and the broker is in
 * another group. So this process, as the leader of its own session, lowers the priority of its
 * group as well.
 */
function comeLast(): void {
  setPriority(constants.priority.PRIORITY_LOW)
  if (!existsSync(autogroupFile)) return
  // After the command, which may contain spaces: state, parent, process group, session.
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const session = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]
  if (Number(session) === process.pid) writeFileSync(autogroupFile, String(constants.priority.PRIORITY_LOW))
}

comeLast()
runClients(carillonConversations)
