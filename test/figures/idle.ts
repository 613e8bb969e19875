import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../../src/bench/carillon/gateway.ts'
import { Generator } from '../../src/bench/load/generator.ts'
import { loadOf } from '../../src/bench/load/scenario.ts'
import { cpuBetween, cpuOf, type KernelMemory, kernelMemory, residentBytes } from '../../src/bench/process/host.ts'
import { conversations, type Transport } from './delivery.ts'
import type { Site } from './site.ts'
import type { Row } from './table.ts'

/** The first connections bring code and tables into memory that all share: what is counted begins after this part of them. */
const firstPart = 0.1
/** The resident size falls for a while after a collection; the least of these is taken. */
const samples = 10
const sampleMs = 200

/** Memory of connections that have one subscription and get nothing. */
export async function measureIdle(site: Site, transport: Transport, connections: number): Promise<Row> {
  const gateway = await site.gateway('embedded', `idle-${transport}`, { inspected: true })
  const first = Math.ceil(connections * firstPart)
  const more = connections - first
  const loads = [first, more].map((clients, i) => new Generator(loadOf('unicast', { clients }), `idle${i}`))
  const connect = async (load: Generator, live: number) => {
    await load.openClients(gateway.reach(conversations[transport]))
    await load.connect()
    await gateway.subscribed(live)
  }
  try {
    await connect(loads[0]!, first)
    const before = await memory(gateway)
    const cpu = cpuOf(gateway.pid)
    const startMs = performance.now()
    await connect(loads[1]!, connections)
    const connectMs = performance.now() - startMs
    const spent = cpuBetween(cpu, cpuOf(gateway.pid))
    const after = await memory(gateway)
    const each = (of: (memory: Memory) => number) => (of(after) - of(before)) / more
    return {
      run: `${transport}, ${connections.toLocaleString('en')} idle`,
      'resident bytes a connection': each(({ resident }) => resident),
      'JS heap': each(({ heap }) => heap),
      'kernel, both ends: objects': each(({ kernel }) => kernel.slab),
      buffers: each(({ kernel }) => kernel.buffers),
      'gateway MiB in all': after.resident / 2 ** 20,
      'opened/s': Math.round((more / connectMs) * 1000),
      'CPU µs to open': spent.totalUs / more,
    }
  } finally {
    await Promise.all([...loads.map((load) => load.close()), gateway.end()])
  }
}

interface Memory {
  readonly resident: number
  readonly heap: number
  readonly kernel: KernelMemory
}

async function memory(gateway: Gateway): Promise<Memory> {
  await gateway.collectGarbage()
  let resident = Number.POSITIVE_INFINITY
  for (let i = 0; i < samples; i++) {
    await sleep(sampleMs)
    resident = Math.min(resident, residentBytes(gateway.pid))
  }
  const heap = (await gateway.metrics()).sum('nodejs_heap_size_used_bytes')
  return { resident, heap, kernel: kernelMemory() }
}
