/** So long a gateway may take to answer, ms: under more load than it can take, its event loop stands for seconds. */
const scrapeMs = 30_000

/** What the admin listener at this URL shows now. Rejects where it does not answer in time. */
export async function scrape(admin: string): Promise<Metrics> {
  const response = await fetch(`${admin}/metrics`, { signal: AbortSignal.timeout(scrapeMs) })
  return new Metrics(await response.text())
}

/** One scrape of `/metrics`: Prometheus' text format, as far as the gateway uses it. */
export class Metrics {
  readonly #samples: { readonly name: string; readonly labels: string; readonly value: number }[] = []

  constructor(text: string) {
    for (const line of text.split('\n')) {
      const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line)
      if (match !== null) this.#samples.push({ name: match[1]!, labels: match[2] ?? '', value: Number(match[3]) })
    }
  }

  /** Sum of all series of that name, or of those that have a label. */
  sum(name: string, label = ''): number {
    let sum = 0
    for (const sample of this.#samples) if (sample.name === name && sample.labels.includes(label)) sum += sample.value
    return sum
  }

  /** Cumulative counts by upper bound, of all series of the histogram. */
  buckets(name: string): Map<number, number> {
    const buckets = new Map<number, number>()
    for (const sample of this.#samples) {
      const bound = sample.name === `${name}_bucket` ? /le="([^"]+)"/.exec(sample.labels)?.[1] : undefined
      if (bound === undefined) continue
      const le = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound)
      buckets.set(le, (buckets.get(le) ?? 0) + sample.value)
    }
    return buckets
  }
}

/** The bucket's bound below which the share `q` of what was recorded between two scrapes lies; NaN where nothing was. */
export function quantileBound(before: Map<number, number>, after: Map<number, number>, q: number): number {
  const bounds = [...after.keys()].sort((a, b) => a - b)
  const count = (bound: number) => after.get(bound)! - (before.get(bound) ?? 0)
  const all = bounds.length === 0 ? 0 : count(bounds.at(-1)!)
  if (all === 0) return Number.NaN
  return bounds.find((bound) => count(bound) >= q * all)!
}
