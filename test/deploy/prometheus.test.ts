import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { errors } from '../../src/base/errors.ts'
import { gapReasons } from '../../src/base/gap-reasons.ts'
import { limitNames } from '../../src/base/limits.ts'
import { defaultAdmin } from '../../src/cli/gateway-url.ts'
import { streamStates } from '../../src/telemetry/instruments.ts'
import { readPage, section, tables, uncode } from '../docs/markdown.ts'
import { deployed, gateways } from './files.ts'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly annotations: { readonly summary: string }
}

const { rule_files, scrape_configs } = parse(deployed('prometheus/prometheus.yml'))
const rules: Rule[] = parse(deployed('prometheus/alerts.yml')).groups[0].rules
/** Labels by metric; docs/metrics.md is tested against the families of src/telemetry. */
const metrics = new Map(
  tables(readPage('metrics.md'))
    .flat()
    .map(([name, , labels]) => [uncode(name!), [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label!)]),
)
const known = { state: [...streamStates], reason: [...gapReasons], code: Object.keys(errors), limit: limitNames }

test('Prometheus scrapes each gateway of the compose file on its admin port', () => {
  const [{ job_name, dns_sd_configs }, ...others] = scrape_configs
  assert.deepEqual(others, [])
  assert.equal(job_name, 'carillon')
  assert.deepEqual(
    dns_sd_configs[0].names,
    gateways().map(([name]) => name),
  )
  assert.equal(dns_sd_configs[0].port, Number(new URL(defaultAdmin).port))
  assert.deepEqual(rule_files, ['alerts.yml'])
})

test('alerts ask for metrics, labels and label values that there are', () => {
  let asked = 0
  for (const { alert, expr } of rules) {
    for (const [name] of expr.matchAll(/\b(?:carillon|nodejs|process)_\w+/g)) {
      asked++
      assert.ok(metrics.has(name) || metrics.has(name.replace(/_(bucket|sum|count)$/, '')), `${alert}: ${name}`)
    }
    for (const [, name, selector] of expr.matchAll(/\b(carillon_\w+)\{([^}]*)\}/g)) {
      for (const [, label, values] of selector!.matchAll(/(\w+)=~?"([^"]*)"/g)) {
        assert.ok(metrics.get(name!)!.includes(label!), `${alert}: ${name} has no label ${label}`)
        for (const value of values!.split('|')) {
          assert.ok((known[label as keyof typeof known] as readonly string[]).includes(value), `${alert}: ${value}`)
        }
      }
    }
  }
  assert.ok(asked >= rules.length, `only ${asked} metrics were found`)
})

test('operations.md says what to do about each alert', () => {
  const [rows] = tables(section(readPage('operations.md'), 'What to watch'))
  assert.deepEqual(
    rows!.map(([name]) => name),
    rules.map(({ alert }) => alert.replace(/^Carillon/, '')),
  )
})

const withoutPromtool =
  spawnSync('promtool', ['--version'], { stdio: 'ignore' }).status === 0
    ? false
    : "promtool is not installed (Debian's package prometheus has it)"

const promtool = (...args: string[]) => spawnSync('promtool', args, { encoding: 'utf8' })
const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))

test('promtool accepts the configuration and the rules', { skip: withoutPromtool }, () => {
  const { status, stdout, stderr } = promtool('check', 'config', path('../../deploy/prometheus/prometheus.yml'))
  assert.equal(status, 0, stderr)
  assert.match(stdout, new RegExp(`${rules.length} rules found`))
})

test('each alert fires when it should, and is silent otherwise', { skip: withoutPromtool }, () => {
  const cases = parse(readText('alerts.test.yml')) as { tests: { alert_rule_test: { alertname: string }[] }[] }
  const tried = cases.tests.flatMap(({ alert_rule_test }) => alert_rule_test.map(({ alertname }) => alertname))
  assert.deepEqual([...new Set(tried)].toSorted(), rules.map(({ alert }) => alert).toSorted())
  const { status, stdout, stderr } = promtool('test', 'rules', path('alerts.test.yml'))
  assert.equal(status, 0, stdout + stderr)
})

function readText(file: string): string {
  return readFileSync(path(file), 'utf8')
}
