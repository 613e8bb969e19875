import { setTimeout as sleep } from 'node:timers/promises'
import { Gateway } from '../../src/bench/carillon/gateway.ts'
import { eventText, monotonicUs } from '../../src/bench/load/payload.ts'
import { LoneClient } from './lone-client.ts'
import type { Site } from './site.ts'
import type { Row } from './table.ts'

const subject = 'figures.first'
const patienceMs = 30_000
const runs = 3

/** `carillon serve --dev` in an empty folder, until a client that tries all the while has its first event. Median of three. */
export async function measureFirstMessage(site: Site): Promise<Row> {
  const times: { listeningMs: number; deliveredMs: number }[] = []
  for (let i = 0; i < runs; i++) times.push(await coldStart(site))
  const median = (of: (time: (typeof times)[number]) => number) => times.map(of).sort((a, b) => a - b)[runs >> 1]!
  return {
    run: 'serve --dev',
    'to listening ms': Math.round(median(({ listeningMs }) => listeningMs)),
    'to first delivery ms': Math.round(median(({ deliveredMs }) => deliveredMs)),
  }
}

async function coldStart(site: Site): Promise<{ listeningMs: number; deliveredMs: number }> {
  const port = site.port()
  const startMs = performance.now()
  const gateway = new Gateway({ port, broker: 'embedded', topic: 'first', more: { dev: true } })
  try {
    const client = new LoneClient({ conversation: 'ws-json', subject })
    const delivery = new Promise<void>((resolve) => {
      client.onEvent = resolve
    })
    await insist(gateway, () => client.come(port))
    const listeningMs = performance.now() - startMs
    await insist(gateway, () => publish(port))
    const late = sleep(patienceMs, undefined, { ref: false }).then(() => {
      throw new Error(`no event was delivered within ${patienceMs} ms`)
    })
    await Promise.race([delivery, late])
    const deliveredMs = performance.now() - startMs
    client.leave()
    return { listeningMs, deliveredMs }
  } finally {
    await gateway.end()
  }
}

async function publish(port: number): Promise<void> {
  const data = JSON.parse(eventText(monotonicUs(), 0, 512).toString())
  const answer = await fetch(`http://127.0.0.1:${port}/v1/publish`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ subject, data }),
  })
  if (answer.status !== 200) throw new Error(`expected 200 for a publish, got ${answer.status}: ${await answer.text()}`)
}

/** Again and again until it succeeds. */
async function insist<T>(gateway: Gateway, attempt: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + patienceMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (gateway.ended || performance.now() > endMs) throw error
      await sleep(5)
    }
  }
}
