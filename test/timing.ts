import type { TestEvent } from 'node:test/reporters'
import { suiteLine } from './parts/table.ts'

/** A reporter that ends a run with what each file of it took, the longest first. The default export is what `--test-reporter` asks for. */
export default async function* timing(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const tests = new Map<string, number>()
  const took: { readonly name: string; readonly file: string; readonly ms: number }[] = []
  for await (const { type, data } of events) {
    if (type === 'test:summary' && data.file !== undefined) tests.set(data.file, data.counts.tests)
    // A file is a test itself, whose name is its path.
    if (type !== 'test:complete' || data.file?.endsWith(data.name) !== true) continue
    took.push({ name: data.name, file: data.file, ms: data.details.duration_ms })
  }
  took.sort((a, b) => b.ms - a.ms)
  yield `\n${took.map(({ name, file, ms }) => suiteLine(name, ms / 1000, tests.get(file) ?? 0)).join('')}`
}
