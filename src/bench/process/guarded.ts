import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { GuardMessage } from './guard.ts'

/** The parent's side of guard.ts: started with the first thing to guard, and no reason for this process to stay. */
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

/** Ends with this process, even when this one is killed. */
export const guardProcess = (pid: number): void => tell({ kind: 'process', pid, over: false })

/** It has ended. */
export const unguardProcess = (pid: number): void => tell({ kind: 'process', pid, over: true })

/** Is removed with this process. */
export const guardFolder = (path: string): void => tell({ kind: 'folder', path, over: false })

/** It has been removed. */
export const unguardFolder = (path: string): void => tell({ kind: 'folder', path, over: true })
