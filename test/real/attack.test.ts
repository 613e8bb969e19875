import assert from 'node:assert/strict'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import test from 'node:test'
import { type Bounds, type Outcome, problems } from '../attack/judge.ts'
import { runScript } from './support/run.ts'

const skip =
  process.platform !== 'linux'
    ? 'memory is read from /proc'
    : availableParallelism() < 2 && 'a core for the gateway, and one for all else'

/** Other suites may have run right before, and other processes have the cores too. */
const wide: Bounds = { timesQuiet: 1000, p99Ms: 2000, livezMs: 2000, growth: 0.25, slackMiB: 64 }

test('honest clients beside all attacks at once get every event in time, and memory stays in its bounds', {
  skip,
  timeout: 240_000,
}, async () => {
  const run = runScript('attack', '--only', 'together', '--seconds', '6', '--json')
  const code = await run.ended
  // Its verdict is by bounds for a quiet host.
  assert.ok(run.stdout.startsWith('{'), `${code}: ${run.stderr}`)
  const { outcomes } = JSON.parse(run.stdout) as { outcomes: Outcome[] }
  assert.equal(outcomes.length, 1)
  const [outcome] = outcomes
  assert.deepEqual(problems(outcome!, wide), [], JSON.stringify(outcome))
  assert.ok(outcome!.attack.received > 1000, `${outcome!.attack.received} received`)
  assert.ok(outcome!.attackers.connections > 500, `${outcome!.attackers.connections} connections of attackers`)
})

test('Ctrl-C ends all that the attacks have started', { skip, timeout: 60_000 }, async () => {
  const run = runScript('attack', '--only', 'silent-admin', '--seconds', '60')
  await once(run.child.stderr!, 'data')
  run.child.kill('SIGINT')
  // All processes but the gateway have these pipes.
  assert.equal(await run.ended, 130, run.stderr)
})
