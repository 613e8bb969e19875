import assert from 'node:assert/strict'
import test from 'node:test'
import { runScript } from './support/run.ts'

const skip = process.platform === 'linux' ? false : 'memory is read from /proc'

test('a short soak: clients come and go, read slowly or not at all, and nobody misses anything', {
  skip,
  timeout: 120_000,
}, async () => {
  const options = '--minutes 0.2 --sample-seconds 1 --clients 200 --churn 50 --json -'
  const run = runScript('soak', ...options.split(' '))
  // So short a run has no trend worth the name: its exit status says nothing.
  const code = await run.ended
  assert.ok(run.stdout.startsWith('{'), `${code}: ${run.stderr}`)
  const { published, samples, clients, broken } = JSON.parse(run.stdout)
  assert.equal(broken, undefined)
  const { lost, repeated, disordered, refused, waiting, gone } = clients
  assert.deepEqual(
    { lost, repeated, disordered, refused, waiting, gone },
    { lost: 0, repeated: 0, disordered: 0, refused: 0, waiting: 0, gone: 0 },
  )
  assert.ok(published > 1000 && clients.events > 1000, `${published} published, ${clients.events} given`)
  assert.ok(clients.closed > 200, `${clients.closed} closed`)
  assert.ok(samples.length >= 10 && samples.every((each: { anonymous: number }) => each.anonymous > 20))
})
