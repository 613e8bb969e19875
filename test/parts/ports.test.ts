import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const real = new URL('../real/', import.meta.url)

/** The tens of ports that a suite takes: those of each port that it names, and the next ones behind a Kafka's first port, for its controllers. */
function tensOf(text: string): Set<number> {
  const all = (pattern: RegExp) => Array.from(text.matchAll(pattern), ([, port]) => Number(port!.replace('_', '')))
  const named = all(/\b((?:19|2[01])_?\d{3})\b/g).filter((port) => port % 1000 > 0)
  const first = all(/(?:basePort =|basePort:|KafkaSite\.start\() ?(\d\d_?\d{3})\b/g)
  return new Set([...named, ...first.map((port) => port + 10)].map((port) => Math.floor(port / 10) * 10))
}

test('each real suite has tens of ports of its own, so that any may run beside any other', () => {
  const owners = new Map<number, string>()
  const shared: string[] = []
  for (const file of readdirSync(real).filter((name) => name.endsWith('.test.ts'))) {
    for (const ten of tensOf(readFileSync(new URL(file, real), 'utf8'))) {
      const owner = owners.get(ten)
      if (owner !== undefined) shared.push(`${ten}: ${owner} and ${file}`)
      owners.set(ten, file)
    }
  }
  assert.deepEqual(shared, [])
  assert.ok(owners.size > 40)
})
