import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { GuardMessage } from './guard.ts'

/**
 * The parent's side of guard.ts. Starts with the first process or folder to guard, and does not
 * keep this process alive.
 */
let guard: ChildProcess | undefined

function tell(message: GuardMessage): void {
  if (guard === undefined) {
    guard = fork(fileURLToPath(new URL('guard.ts', import.meta.url)), {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      detached: true,
    })
    guard.unref()
    guard.channel?.unref()
  }
  if (guard.connected) guard.send(message, () => {})
}

/** Registers a process that ends with this one, even when this one is killed. */
export const guardProcess = (pid: number): void => tell({ kind: 'process', pid, over: false })

/** Removes a process that has ended. */
export const unguardProcess = (pid: number): void => tell({ kind: 'process', pid, over: true })

/** Registers a folder that is removed when this process ends. */
export const guardFolder = (path: string): void => tell({ kind: 'folder', path, over: false })

/** Removes a folder that has been deleted. */
export const unguardFolder = (path: string): void => tell({ kind: 'folder', path, over: true })
