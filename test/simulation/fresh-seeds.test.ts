import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { freshSeeds } from './fresh-seeds.ts'

/** A folder with one file each in `src` and `test`. */
function tree(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'carillon-fresh-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  for (const part of ['src', 'test', 'docs']) {
    mkdirSync(join(root, part))
    writeFileSync(join(root, part, 'a.ts'), part)
  }
  return root
}

const git = (root: string, ...args: string[]): void => {
  const who = ['-c', 'user.name=a', '-c', 'user.email=a@b.c', '-c', 'commit.gpgsign=false']
  execFileSync('git', [...who, ...args], { cwd: root, stdio: 'ignore' })
}

test('a commit takes the fresh seeds that its work tree had before', (t) => {
  const root = tree(t)
  git(root, 'init')
  const before = freshSeeds(root, 10)
  git(root, 'add', '-A')
  git(root, 'commit', '-m', 'all')
  assert.ok(before !== undefined)
  assert.equal(before[1] - before[0], 9)
  assert.deepEqual(freshSeeds(root, 10), before)
})

test('a change in src or test draws other seeds, one in docs does not', (t) => {
  const root = tree(t)
  git(root, 'init')
  git(root, 'add', '-A')
  const first = freshSeeds(root, 10)
  writeFileSync(join(root, 'docs/a.ts'), 'changed')
  assert.deepEqual(freshSeeds(root, 10), first)
  writeFileSync(join(root, 'test/a.ts'), 'changed')
  const second = freshSeeds(root, 10)
  assert.notDeepEqual(second, first)
  rmSync(join(root, 'src/a.ts'))
  assert.notDeepEqual(freshSeeds(root, 10), second)
})

test('without git there are no fresh seeds', (t) => {
  assert.equal(freshSeeds(tree(t), 10), undefined)
})
