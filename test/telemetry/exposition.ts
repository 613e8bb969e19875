import assert from 'node:assert/strict'

/** A metric family parsed from Prometheus' text format. */
export interface ParsedFamily {
  readonly type: string
  readonly help: string
  readonly samples: { name: string; labels: Record<string, string>; value: number }[]
}

const metadataLine = /^# (HELP|TYPE|UNIT) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/
const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/
const suffixes: Record<string, readonly string[]> = { histogram: ['_bucket', '_sum', '_count'] }

/**
 * Parses the text format 0.0.4. Refuses everything that a scraper or `promtool check metrics`
 * refuses: a family in several parts, samples without HELP and TYPE, counters without `_total`,
 * repeated series, labels that are not escaped.
 */
export function parseExposition(text: string): Map<string, ParsedFamily> {
  assert.ok(text.endsWith('\n'), 'ends with a line feed')
  const families = new Map<string, ParsedFamily>()
  const series = new Set<string>()
  let help: { name: string; text: string } | undefined
  let current = ''
  for (const line of text.slice(0, -1).split('\n')) {
    const metadata = metadataLine.exec(line)
    if (metadata !== null) {
      const [, kind, name, rest] = metadata as unknown as [string, string, string, string]
      if (kind === 'HELP') help = { name, text: rest }
      if (kind !== 'TYPE') continue
      assert.equal(help?.name, name, `HELP before TYPE of ${name}`)
      assert.ok(!families.has(name), `${name} is in one piece`)
      if (rest === 'counter') assert.match(name, /_total$/)
      families.set(name, { type: rest, help: help!.text, samples: [] })
      current = name
      continue
    }
    const sample = sampleLine.exec(line)
    assert.ok(sample !== null, `a sample or metadata: ${JSON.stringify(line)}`)
    const family = families.get(current)
    assert.ok(family !== undefined, `TYPE before ${line}`)
    const allowed = (suffixes[family.type] ?? ['']).map((suffix) => current + suffix)
    assert.ok(allowed.includes(sample[1]!), `${sample[1]} is of the family ${current}`)
    assert.ok(!series.has(`${sample[1]}{${sample[2]}}`), `${line} is given once`)
    series.add(`${sample[1]}{${sample[2]}}`)
    family.samples.push({ name: sample[1]!, labels: parseLabels(sample[2] ?? ''), value: parseValue(sample[3]!) })
  }
  for (const [name, family] of families) if (family.type === 'histogram') checkHistogram(name, family)
  return families
}

export function sampleOf(
  families: Map<string, ParsedFamily>,
  name: string,
  labels: Record<string, string> = {},
): number {
  for (const family of families.values()) {
    for (const sample of family.samples) {
      if (sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value)) {
        return sample.value
      }
    }
  }
  return assert.fail(`no sample ${name} ${JSON.stringify(labels)}`)
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  let rest = text
  while (rest !== '') {
    const match = label.exec(rest)
    assert.ok(match !== null, `labels: ${text}`)
    assert.ok(!(match[1]! in labels), `label ${match[1]} twice: ${text}`)
    labels[match[1]!] = match[2]!.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
    rest = rest.slice(match[0].length)
  }
  return labels
}

function parseValue(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  const value = Number(text)
  assert.ok(Number.isFinite(value), `a number: ${text}`)
  return value
}

/**
 * Checks that buckets are cumulative and ascending, and end with +Inf, which equals the count,
 * and that sum and count are present.
 */
function checkHistogram(name: string, family: ParsedFamily): void {
  const groups = Map.groupBy(family.samples, ({ labels: { le: _, ...rest } }) => JSON.stringify(rest))
  for (const [labels, samples] of groups) {
    const named = (suffix: string) => samples.filter((sample) => sample.name === name + suffix)
    const buckets = named('_bucket').map((sample) => ({ le: parseValue(sample.labels.le!), value: sample.value }))
    assert.equal(named('_sum').length, 1, `${name}_sum ${labels}`)
    assert.equal(named('_count').length, 1, `${name}_count ${labels}`)
    assert.equal(buckets.at(-1)?.le, Number.POSITIVE_INFINITY, `${name} ends with +Inf`)
    assert.equal(buckets.at(-1)!.value, named('_count')[0]!.value)
    for (let i = 1; i < buckets.length; i++) {
      assert.ok(buckets[i]!.le > buckets[i - 1]!.le, `${name}: bounds ascend`)
      assert.ok(buckets[i]!.value >= buckets[i - 1]!.value, `${name}: counts are cumulative`)
    }
  }
}
