import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { mutants } from './mutants.ts'

test('each fault of `make mutants` names a text that is in its file once', () => {
  const times = ({ file, from }: (typeof mutants)[number]) =>
    readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8').split(from).length - 1
  assert.deepEqual(
    mutants.filter((mutant) => times(mutant) !== 1).map(({ name }) => name),
    [],
  )
})
