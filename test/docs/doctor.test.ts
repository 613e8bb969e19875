import assert from 'node:assert/strict'
import test from 'node:test'
import { command } from '../../src/cli/doctor.ts'
import { brokerChecks } from '../../src/doctor/broker-checks.ts'
import { embeddedChecks } from '../../src/doctor/embedded-checks.ts'
import { hostChecks } from '../../src/doctor/host-checks.ts'
import { sessionLimits } from '../../src/session/options.ts'
import { goodKafka, goodNats, streamFacts } from '../doctor/broker-facts.ts'
import { factsWith } from '../doctor/facts.ts'
import { readPage, section, tables, uncode } from './markdown.ts'

const page = readPage('doctor.md')
const rows = (title: string) => tables(section(page, title))[0]!

test('doctor.md has a row for each check of the host, in their order, and no other', () => {
  const found = hostChecks(factsWith(), {
    clients: 1,
    windows: { windowMiB: 0, indexMiB: 0, cacheMiB: 0 },
    limits: { ...sessionLimits, maxSessions: 1 },
  })
  assert.deepEqual(
    rows('The host').map(([check]) => uncode(check!)),
    found.map(({ check }) => check),
  )
})

test('doctor.md has a row for each check of a stream, with a cell for each kind of broker that has it', () => {
  const reach = { fillAgeMs: 1, maxAgeMs: 1, windowBytes: 1 }
  const needs = { ...reach, maxEventBytes: 1, nowMs: 0 }
  const facts = { dir: '/d', fileSystem: undefined, retentionMs: 1, retentionBytes: 1, partitions: 1 }
  const checks = [
    brokerChecks(streamFacts({ settings: goodKafka }), needs),
    brokerChecks(streamFacts({ settings: goodNats }), needs),
    embeddedChecks(facts, reach),
  ].map((findings) => findings.map(({ check }) => check))
  // Those of every broker have their own paragraphs.
  const others = ['broker', 'stream', 'placement']
  for (const name of [...others, 'settings', 'records'])
    assert.ok(section(page, 'The broker').includes(`\`${name}\``), name)
  const listed = rows('The broker')
  const names = new Set(checks.flat().filter((name) => !others.includes(name)))
  assert.deepEqual(listed.map(([check]) => uncode(check!)).sort(), [...names].sort())
  for (const [check, ...cells] of listed) {
    const has = checks.map((each) => each.includes(uncode(check!)))
    assert.deepEqual(
      cells.map((cell) => cell !== ''),
      has,
      check,
    )
  }
})

test('doctor.md names each option of its own', () => {
  const own = command().options.filter(
    ({ helpGroupHeading, long }) => helpGroupHeading === undefined && long !== '--config',
  )
  assert.ok(own.length >= 4)
  for (const { long } of own) assert.ok(page.includes(`\`${long}`) || page.includes(`, \`${long}`), long!)
})
