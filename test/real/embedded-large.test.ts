import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { GatewayProcess } from '../support/gateway-process.ts'
import { ask } from '../support/http.ts'
import { Run } from './support/run.ts'

/** Events over a mebibyte, which is where Kafka's own default and ours end. */

const mib = 1 << 20
const dir = mkdtempSync(join(tmpdir(), 'carillon-large-'))
const broker = `embedded:${join(dir, 'log')}`
const limits = { maxEventBytes: 3 * mib, maxBodyBytes: 8 * mib, maxPollBytes: 8 * mib }
const gateway = new GatewayProcess({ port: 19_520, dir, config: { broker, limits } })

after(async () => {
  await gateway.end()
  rmSync(dir, { recursive: true })
})

test('the embedded log takes what limits.maxEventBytes allows, through a gateway and by the command line', async () => {
  gateway.start()
  await gateway.becomesReady()
  const text = 'x'.repeat(2 * mib)
  const published = await gateway.publish({ subject: 'large', text })
  assert.equal(published.status, 200, published.text)
  const refused = await gateway.publish({ subject: 'large', text: text + text })
  assert.deepEqual([refused.status, refused.json.error.code], [413, 'event_too_large'])
  await gateway.end('SIGTERM')

  const direct = new Run(['publish', '--config', gateway.configFile, '--broker', broker, 'large'], dir)
  direct.child.stdin!.end(`${text}\n`)
  assert.equal(await direct.ended, 0, direct.stderr)

  gateway.start()
  await gateway.becomesReady()
  const { json } = await ask(gateway.port, '/v1/poll?subject=large&after=earliest')
  const lengths = json.frames.map(
    (frame: { delivery: { event: { text: string } } }) => frame.delivery.event.text.length,
  )
  assert.deepEqual(lengths, [2 * mib, 2 * mib])
})
