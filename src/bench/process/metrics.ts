/**
 * How long a gateway may take to answer, ms. Under overload, its event loop blocks for seconds.
 */
const scrapeMs = 30_000

/** Scrapes the admin listener at this URL. Rejects when it does not answer in time. */
export async function scrape(admin: string): Promise<Metrics> {
  const response = await fetch(`${admin}/metrics`, { signal: AbortSignal.timeout(scrapeMs) })
  return new Metrics(await response.text())
}

/** One scrape of `/metrics`: the subset of Prometheus' text format that the gateway uses. */
export class Metrics {
  readonly #samples: { readonly name: string; readonly labels: string; readonly value: number }[] = []

  constructor(text: string) {
    for (const line of text.split('\n')) {
      const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line)
      if (match !== null) this.#samples.push({ name: match[1]!, labels: match[2] ?? '', value: Number(match[3]) })
    }
  }

  /** Returns the sum of all series of that name, or of those with the label. */
  sum(name: string, label = ''): number {
    let sum = 0
    for (const sample of this.#samples) if (sample.name === name && sample.labels.includes(label)) sum += sample.value
    return sum
  }

  /** Returns cumulative counts by upper bound, over all series of the histogram. */
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

/**
 * Returns the upper bound of the bucket with the `q` quantile of the values recorded between two
 * scrapes; NaN = no values.
 */
export function quantileBound(before: Map<number, number>, after: Map<number, number>, q: number): number {
  const bounds = [...after.keys()].sort((a, b) => a - b)
  const count = (bound: number) => after.get(bound)! - (before.get(bound) ?? 0)
  const all = bounds.length === 0 ? 0 : count(bounds.at(-1)!)
  if (all === 0) return Number.NaN
  return bounds.find((bound) => count(bound) >= q * all)!
}
