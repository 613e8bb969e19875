import type { ChildProcess } from 'node:child_process'

const running = new Set<ChildProcess>()

function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

// Leaves nothing running when a suite ends without its hooks, at a time limit or Ctrl-C.
process.once('exit', killAll)
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    killAll()
    process.exit(1)
  })
}

/** Makes the child end with this process at the latest. */
export function endsWithThis(child: ChildProcess): void {
  running.add(child)
  child.once('exit', () => running.delete(child))
}
