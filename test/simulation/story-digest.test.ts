import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from './history.ts'
import { makePlan } from './plan.ts'
import { storiesDigest, storyHash } from './story-digest.ts'

const script = fileURLToPath(new URL('../../scripts/simulate.ts', import.meta.url))

/** The digest that the script prints. */
function printed(seeds: string, jobs: number): string | undefined {
  const flags = ['--seeds', seeds, '--digest', '--jobs', `${jobs}`]
  const args = ['--disable-warning=ExperimentalWarning', script, ...flags]
  const out = execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return /^digest of the stories: ([0-9a-f]{64})$/m.exec(out)?.[1]
}

test('the digest that is printed is that of the stories of the seeds, on however many threads they ran', async () => {
  const seeds = [1, 2, 3, 4]
  const hashes = new Map<number, string>()
  for (const seed of seeds) hashes.set(seed, storyHash((await run(makePlan(seed, 'small'), { trace: true })).trace))
  const digest = storiesDigest(seeds, hashes)
  assert.ok(digest !== undefined)
  assert.equal(printed('1-4', 2), digest)
})

test('a digest changes with any line of any story, and with the seeds; without all stories there is none', () => {
  const of = (...stories: string[][]) => {
    const hashes = new Map(stories.map((story, i) => [i + 1, storyHash(story)]))
    return storiesDigest([...hashes.keys()], hashes)
  }
  const all = [of(['a', 'b'], ['c']), of(['a'], ['c']), of(['a', 'b'], ['d']), of(['c'], ['a', 'b']), of(['a', 'b'])]
  assert.equal(new Set(all).size, all.length)
  assert.equal(of(['a', 'b'], ['c']), all[0])
  assert.equal(storiesDigest([1, 2], new Map([[1, storyHash(['a'])]])), undefined)
})
