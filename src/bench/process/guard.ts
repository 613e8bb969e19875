import { rmSync } from 'node:fs'

/**
 * A process that briefly outlives its parent. It ends the processes and removes the folders that
 * the parent registered, when the parent is killed and cannot do so itself. Gateways do not
 * notice that their parent has ended.
 */

export type GuardMessage =
  | { readonly kind: 'process'; readonly pid: number; readonly over: boolean }
  | { readonly kind: 'folder'; readonly path: string; readonly over: boolean }

const pids = new Set<number>()
const folders = new Set<string>()

process.on('message', (message: GuardMessage) => {
  if (message.kind === 'process') mark(pids, message.pid, message)
  else mark(folders, message.path, message)
})
process.on('disconnect', () => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // The process has already ended.
    }
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit()
})
// Ctrl-C in a terminal reaches all its processes; the parent decides.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

function mark<T>(set: Set<T>, what: T, { over }: GuardMessage): void {
  if (over) set.delete(what)
  else set.add(what)
}
