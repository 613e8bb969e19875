import { type Cpu, cpuBetween, cpuOf, type HostTime, hostTime } from './host.ts'

/** Parts whose CPU is reported separately. */
export const parts = ['servers', 'clients', 'publisher', 'broker'] as const
export type Part = (typeof parts)[number]

export interface Usage {
  readonly seconds: number
  readonly cpu: Readonly<Record<Part, Cpu>>
  /** Largest share of one core that any process of the part used. */
  readonly busiest: Readonly<Record<Part, number>>
  /** Idle share of the host's CPU time. */
  readonly idle: number
}

interface Seen {
  readonly part: Part
  readonly first: Cpu
  last: Cpu
}

const none: Cpu = { totalUs: 0, userUs: 0, systemUs: 0 }

/**
 * Measures CPU time from its creation. Processes may start and end in between; for a process that
 * ended, the CPU up to the last sample counts.
 */
export class CpuMeter {
  readonly #pids: () => Readonly<Record<Part, readonly number[]>>
  readonly #seen = new Map<number, Seen>()
  readonly #startMs = performance.now()
  readonly #host: HostTime = hostTime()

  constructor(pids: () => Readonly<Record<Part, readonly number[]>>) {
    this.#pids = pids
    this.#look('now')
  }

  look(): void {
    this.#look('its beginning')
  }

  result(): Usage {
    this.look()
    const seconds = (performance.now() - this.#startMs) / 1000
    const cpu = { servers: none, clients: none, publisher: none, broker: none }
    const busiest = { servers: 0, clients: 0, publisher: 0, broker: 0 }
    for (const { part, first, last } of this.#seen.values()) {
      const used = cpuBetween(first, last)
      cpu[part] = sum(cpu[part], used)
      busiest[part] = Math.max(busiest[part], used.totalUs / 1e6 / seconds)
    }
    const host = hostTime()
    const idle = (host.idle - this.#host.idle) / Math.max(1, host.all - this.#host.all)
    return { seconds, cpu, busiest, idle }
  }

  /** Takes a sample. A process that started after the meter counts from its own start. */
  #look(from: 'now' | 'its beginning'): void {
    const pids = this.#pids()
    for (const part of parts) {
      for (const pid of pids[part]) {
        const now = cpuNow(pid)
        if (now === undefined) continue
        const seen = this.#seen.get(pid)
        if (seen === undefined) this.#seen.set(pid, { part, first: from === 'now' ? now : none, last: now })
        else seen.last = now
      }
    }
  }
}

function cpuNow(pid: number): Cpu | undefined {
  try {
    return cpuOf(pid)
  } catch {
    return undefined
  }
}

function sum(a: Cpu, b: Cpu): Cpu {
  return { totalUs: a.totalUs + b.totalUs, userUs: a.userUs + b.userUs, systemUs: a.systemUs + b.systemUs }
}
