import type { TestEvent } from 'node:test/reporters'

/**
 * A reporter that ends a run with what it left out and why, so that nobody takes a suite that could not run for one that
 * passed. With CARILLON_TEST_NO_SKIP=1 a skip fails the run. The default export is what `--test-reporter` asks for.
 */
export default async function* skipped(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const left: string[] = []
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const { name, skip } = data
    // A skip without a reason arrives as `true` or ''.
    if (skip === undefined || skip === false) continue
    left.push(`skipped: ${name}: ${typeof skip === 'string' && skip !== '' ? skip : 'no reason given'}\n`)
  }
  yield left.length === 0 ? '\nnothing was skipped\n' : `\n${left.join('')}`
  if (left.length === 0 || process.env.CARILLON_TEST_NO_SKIP !== '1') return
  process.exitCode = 1
  const tests = left.length === 1 ? '1 test was' : `${left.length} tests were`
  yield `failed: ${tests} skipped, and CARILLON_TEST_NO_SKIP=1 allows none\n`
}
