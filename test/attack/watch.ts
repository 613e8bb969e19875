import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../../src/bench/carillon/gateway.ts'
import { Metrics } from '../../src/bench/process/metrics.ts'
import type { Memory } from './judge.ts'

const probeMs = 250
const sampleMs = 100
/** Time after which a probe without a response has failed, ms. */
const patienceMs = 3000
/** Longest time that a gateway may take to recover after an attack, ms. */
const recoveryMs = 30_000
const mebi = 2 ** 20

/** Watches a gateway's memory and response time over a period and keeps the worst of each. */
export class Watch {
  residentMiB = 0
  livezMs = 0
  readonly #gateway: Gateway
  /**
   * Resident pages of files at the start, which are the program's. Pages of the log file that are
   * read later belong to the kernel's cache.
   */
  readonly #filesKiB: number
  readonly #stop = new AbortController()
  readonly #running: Promise<unknown>

  constructor(gateway: Gateway, filesKiB: number) {
    this.#gateway = gateway
    this.#filesKiB = filesKiB
    this.#running = Promise.all([this.#each(sampleMs, () => this.#sample()), this.#each(probeMs, () => this.#probe())])
  }

  async end(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #each(periodMs: number, look: () => void | Promise<void>): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted && !this.#gateway.ended) {
      await look()
      await sleep(periodMs, undefined, { signal }).catch(() => {})
    }
  }

  #sample(): void {
    const { anonymous } = pages(this.#gateway.pid)
    this.residentMiB = Math.max(this.residentMiB, (anonymous + this.#filesKiB) / 1024)
  }

  async #probe(): Promise<void> {
    const startMs = performance.now()
    const answered = await fetchText(`${this.#gateway.admin}/livez`).catch(() => undefined)
    const ms = answered === undefined ? Number.POSITIVE_INFINITY : performance.now() - startMs
    this.livezMs = Math.max(this.livezMs, ms)
  }
}

/**
 * Returns the pages in RAM, KiB: anonymous pages and pages of files. Zero once the process has
 * ended.
 */
export function pages(pid: number): { anonymous: number; files: number } {
  const text = status(pid)
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0)
  return { anonymous: of('RssAnon'), files: of('RssFile') }
}

function status(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return ''
  }
}

/** Scrapes a gateway, with time to recover; undefined = it did not recover. */
export async function metricsOf(gateway: Gateway): Promise<Metrics | undefined> {
  for (
    const endMs = performance.now() + recoveryMs;
    performance.now() < endMs && !gateway.ended;
    await sleep(probeMs)
  ) {
    const text = await fetchText(`${gateway.admin}/metrics`).catch(() => undefined)
    if (text !== undefined) return new Metrics(text)
  }
  return undefined
}

/** Returns memory after a full garbage collection, MiB; NaN = no response. */
export async function memoryOf(gateway: Gateway): Promise<Memory> {
  const collected = (await metricsOf(gateway)) !== undefined && (await collect(gateway))
  const metrics = collected ? await metricsOf(gateway) : undefined
  const of = (name: string) => (metrics?.sum(`nodejs_${name}_bytes`) ?? Number.NaN) / mebi
  return { heap: of('heap_size_used'), external: of('external_memory') }
}

/**
 * Runs a full garbage collection; false = it failed, for example because the gateway has ended.
 */
async function collect(gateway: Gateway): Promise<boolean> {
  const deadline = new AbortController()
  const late = sleep(recoveryMs, false, { signal: deadline.signal })
  late.catch(() => {})
  const collected = gateway.collectGarbage().then(
    () => true,
    () => false,
  )
  return Promise.race([collected, late]).finally(() => deadline.abort())
}

/**
 * Sends a request on a new connection, as a prober does. Rejects when the response is not 200, or
 * late.
 */
function fetchText(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, signal: AbortSignal.timeout(patienceMs) }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text)
        else reject(new Error(`expected 200 for ${url}, got ${response.statusCode}`))
      })
    })
    request.on('error', reject)
  })
}

/**
 * Returns the `q` quantile of the values recorded between two scrapes, interpolated within its
 * bucket; NaN = no values.
 */
export function quantile(before: Map<number, number>, after: Map<number, number>, q: number): number {
  const counts = [...after].map(([bound, count]) => ({ bound, count: count - (before.get(bound) ?? 0) }))
  counts.sort((a, b) => a.bound - b.bound)
  const wanted = q * (counts.at(-1)?.count ?? 0)
  if (wanted === 0) return Number.NaN
  const i = counts.findIndex(({ count }) => count >= wanted)
  const { bound, count } = counts[i]!
  const below = counts[i - 1] ?? { bound: 0, count: 0 }
  if (bound === Number.POSITIVE_INFINITY) return below.bound
  return below.bound + ((bound - below.bound) * (wanted - below.count)) / (count - below.count)
}
