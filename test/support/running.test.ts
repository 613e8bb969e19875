import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'

/** The program's child shares its standard output, which closes once both have ended. */
const program = `
  import { spawn } from 'node:child_process'
  import { endsWithThis } from '${new URL('running.ts', import.meta.url)}'
  endsWithThis(spawn('sleep', ['300'], { stdio: 'inherit' }))
  setInterval(() => {}, 1000)
  console.log('started')`

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`a suite's child processes end with it at ${signal}`, { timeout: 300_000 }, async () => {
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program]
    const suite = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(suite.stdout, 'data')
    suite.kill(signal)
    await once(suite, 'close')
  })
}
