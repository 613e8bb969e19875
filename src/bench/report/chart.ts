/** Line charts as SVG text, without scripts. */

export interface Line {
  readonly name: string
  /** A class of the page's style. */
  readonly style: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface Axis {
  /** Maps a value to its place on the axis: the identity or the logarithm. */
  readonly scale: (value: number) => number
  readonly ticks: readonly { readonly value: number; readonly label: string }[]
  readonly title: string
}

const width = 860
const height = 320
const margin = { left: 70, right: 28, top: 16, bottom: 46 } as const

/**
 * Returns a chart of lines over common axes, which span their ticks. Omits points that an axis
 * cannot show.
 */
export function chart(title: string, x: Axis, y: Axis, lines: readonly Line[]): string {
  const placeX = place(x, margin.left, width - margin.right)
  const placeY = place(y, height - margin.bottom, margin.top)
  const grid = [
    ...x.ticks.map(({ value, label }) => {
      const at = placeX(value)
      const text = `<text x="${at}" y="${height - margin.bottom + 18}" text-anchor="middle">${label}</text>`
      return `<line class="grid" x1="${at}" x2="${at}" y1="${margin.top}" y2="${height - margin.bottom}"/>${text}`
    }),
    ...y.ticks.map(({ value, label }) => {
      const at = placeY(value)
      const text = `<text x="${margin.left - 8}" y="${at + 4}" text-anchor="end">${label}</text>`
      return `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}"/>${text}`
    }),
  ]
  const drawn = lines.map(({ style, points }) => {
    const path = points
      .map(([px, py]) => [placeX(px), placeY(py)] as const)
      .filter(([px, py]) => Number.isFinite(px) && Number.isFinite(py))
      .map((point) => point.join(','))
    return `<polyline class="line ${style}" points="${path.join(' ')}"/>`
  })
  const titles = [
    `<text x="${(margin.left + width - margin.right) / 2}" y="${height - 6}" text-anchor="middle">${x.title}</text>`,
    `<text transform="translate(14 ${(margin.top + height - margin.bottom) / 2}) rotate(-90)" text-anchor="middle">${y.title}</text>`,
  ]
  const legend = lines.map(({ name, style }) => `<span class="key ${style}">${name}</span>`).join(' ')
  const svg = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">${[...grid, ...drawn, ...titles].join('')}</svg>`
  return `<figure><figcaption><b>${title}</b> ${legend}</figcaption>${svg}</figure>`
}

/**
 * Returns a function from a value to its coordinate, one decimal. Values outside the ticks are
 * drawn at the edge.
 */
function place({ scale, ticks }: Axis, from: number, to: number): (value: number) => number {
  const least = scale(ticks[0]!.value)
  const most = scale(ticks.at(-1)!.value)
  return (value) => {
    const share = Math.min(1, Math.max(0, (scale(value) - least) / (most - least || 1)))
    return Math.round((from + share * (to - from)) * 10) / 10
  }
}

/** Returns an axis with powers of ten around the values, which must be above 0. */
export function logAxis(title: string, values: readonly number[]): Axis {
  const shown = values.filter((value) => value > 0 && Number.isFinite(value))
  const low = Math.floor(Math.log10(Math.min(1, ...shown)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(0.01, ...shown))))
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => {
    const value = 10 ** (low + i)
    return { value, label: value < 1 ? value.toFixed(-low - i) : value.toLocaleString('en') }
  })
  return { title, ticks, scale: (value) => (value > 0 ? Math.log10(value) : Number.NaN) }
}

/** Returns an axis with round steps from the least value to the greatest, or from 0. */
export function linearAxis(title: string, least: number, most: number): Axis {
  const step = niceStep((most - least) / 6 || 1)
  const first = Math.floor(least / step) * step
  const count = Math.max(1, Math.ceil((most - first) / step))
  const digits = Math.max(0, -Math.floor(Math.log10(step)))
  const ticks = Array.from({ length: count + 1 }, (_, i) => {
    const value = first + i * step
    return { value, label: value.toLocaleString('en', { maximumFractionDigits: digits }) }
  })
  return { title, ticks, scale: (value) => value }
}

/** Returns 1, 2 or 5 times a power of ten, at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least * 0.999)!
}
