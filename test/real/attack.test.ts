import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Bounds, type Outcome, problems } from '../attack/judge.ts'
import { endsWithThis } from '../support/running.ts'

const script = fileURLToPath(new URL('../../scripts/attack.ts', import.meta.url))
const skip =
  process.platform !== 'linux'
    ? 'memory is read from /proc'
    : availableParallelism() < 2 && 'a core for the gateway, and one for all else'

/** Other suites may have run right before, and other processes have the cores too. */
const wide: Bounds = { timesQuiet: 1000, p99Ms: 2000, livezMs: 2000, growth: 0.25, slackMiB: 64 }

function start(...options: string[]) {
  const args = ['--disable-warning=ExperimentalWarning', script, ...options]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  endsWithThis(child)
  const wrote = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      wrote[name] += text
    })
  }
  return { child, wrote }
}

test('honest clients beside all attacks at once get every event in time, and memory stays in its bounds', {
  skip,
  timeout: 240_000,
}, async () => {
  const { child, wrote } = start('--only', 'together', '--seconds', '6', '--json')
  const [code] = await once(child, 'close')
  // Its verdict is by bounds for a quiet host.
  assert.ok(wrote.stdout.startsWith('{'), `${code}: ${wrote.stderr}`)
  const { outcomes } = JSON.parse(wrote.stdout) as { outcomes: Outcome[] }
  assert.equal(outcomes.length, 1)
  const [outcome] = outcomes
  assert.deepEqual(problems(outcome!, wide), [], JSON.stringify(outcome))
  assert.ok(outcome!.attack.received > 1000, `${outcome!.attack.received} received`)
  assert.ok(outcome!.attackers.connections > 500, `${outcome!.attackers.connections} connections of attackers`)
})

test('Ctrl-C ends all that the attacks have started', { skip, timeout: 60_000 }, async () => {
  const { child, wrote } = start('--only', 'silent-admin', '--seconds', '60')
  await once(child.stderr, 'data')
  child.kill('SIGINT')
  // All processes but the gateway have these pipes.
  const [code] = await once(child, 'close')
  assert.equal(code, 130, wrote.stderr)
})
