/**
 * A program of its own, for a network namespace: streams of a real gateway whose clients read little at a time, chunk by chunk. Prints
 * how many chunks came, and how many streams broke in the midst of one.
 */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Generator } from '../../../src/bench/load/generator.ts'
import { monotonicUs } from '../../../src/bench/load/payload.ts'
import { loadOf } from '../../../src/bench/load/scenario.ts'
import { Site } from '../../figures/site.ts'

const clients = 8
const rate = 2000
const flowMs = 20_000
const found = { chunks: 0, broken: [] as string[] }

function follow(port: number, i: number): void {
  const socket = connect(port, '127.0.0.1', () => {
    socket.write('GET /v1/sse?subject=bench.%3E HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
  })
  let rest: Buffer = Buffer.alloc(0)
  let isBody = false
  const take = (): void => {
    for (;;) {
      const line = rest.indexOf('\r\n')
      if (line < 0) return
      const size = rest.toString('latin1', 0, line)
      const end = line + 2 + Number.parseInt(size, 16)
      if (/^[0-9a-f]+$/i.test(size) && rest.length < end + 2) return
      if (rest.toString('latin1', end, end + 2) !== '\r\n') {
        found.broken.push(rest.toString('latin1', 0, 60))
        socket.destroy()
        return
      }
      rest = rest.subarray(end + 2)
      found.chunks++
    }
  }
  socket.on('error', () => {})
  socket.on('data', (data) => {
    rest = Buffer.concat([rest, data])
    const head = isBody ? 0 : rest.indexOf('\r\n\r\n')
    if (head < 0) return
    if (!isBody) rest = rest.subarray(head + 4)
    isBody = true
    take()
    socket.pause()
    setTimeout(() => socket.resume(), 50 + 100 * (i % 4))
  })
}

const site = new Site(undefined, 20_500)
const limits = { maxEventBytes: 65_536 }
const gateway = await site.gateway('embedded', 'slow', {
  config: { limits, window: { windowMiB: 4, indexMiB: 2 } },
})
const load = new Generator({ ...loadOf('unicast', { clients: 0 }), subjects: 500 }, 'slow')
for (let i = 0; i < clients; i++) follow(gateway.port, i)
await gateway.subscribed(clients)
await load.openPublisher(gateway.reach('sse-json'))
await load.start(rate, monotonicUs())
// What is looked at is this stretch of time itself.
await sleep(flowMs)
process.stdout.write(JSON.stringify(found))
await Promise.all([load.close(), gateway.end()])
await site.close()
process.exit(0)
