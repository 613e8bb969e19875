import type { TestEvent } from 'node:test/reporters'

/** What has to be there in CI: a skipped test fails the run. */
const skippingForbidden = process.env.CARILLON_TEST_NO_SKIP === '1'

/** A node:test reporter: names at the end what was skipped, and why. Node wants a default export. */
export default async function* skipped(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const names: string[] = []
  for await (const { type, data } of source) {
    if (type !== 'test:pass' || data.skip === undefined) continue
    names.push(
      `skipped: ${data.name}: ${typeof data.skip === 'string' && data.skip !== '' ? data.skip : 'no reason given'}`,
    )
  }
  yield `${names.length === 0 ? 'nothing was skipped' : names.join('\n')}\n`
  if (names.length === 0 || !skippingForbidden) return
  process.exitCode = 1
  yield 'failed: CARILLON_TEST_NO_SKIP=1 forbids skipping; install what the reasons name\n'
}
