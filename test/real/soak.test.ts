import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('../../scripts/soak.ts', import.meta.url))
const skip = process.platform === 'linux' ? false : 'memory is read from /proc'

/** Its answer as JSON, whatever its exit status: so short a run has no trend worth the name. */
function soak(...options: string[]): Promise<ReturnType<typeof JSON.parse>> {
  const args = ['--disable-warning=ExperimentalWarning', script, '--json', '-', ...options]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, (_, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout))
      } catch {
        reject(new Error(stderr))
      }
    })
  })
}

test('a short soak: clients come and go, read slowly or not at all, and nobody misses anything', {
  skip,
  timeout: 120_000,
}, async () => {
  const { published, samples, clients, broken } = await soak(
    ...['--minutes', '0.2', '--sample-seconds', '1', '--clients', '200', '--churn', '50'],
  )
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
