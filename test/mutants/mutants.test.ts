import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { test } from 'node:test'
import { mutants } from './all.ts'

const root = new URL('../../', import.meta.url)

test('each fault of `make mutants` names a text that is in its file once', () => {
  const times = ({ file, from }: (typeof mutants)[number]) =>
    readFileSync(new URL(`src/${file}`, root), 'utf8').split(from).length - 1
  assert.deepEqual(
    mutants.filter((mutant) => times(mutant) !== 1).map(({ name }) => name),
    [],
  )
})

test('each fault of `make mutants` leaves code that can be run', () => {
  const isBroken = ({ file, from, to }: (typeof mutants)[number]) => {
    const text = readFileSync(new URL(`src/${file}`, root), 'utf8')
    try {
      stripTypeScriptTypes(text.replace(from, () => to))
      return false
    } catch {
      return true
    }
  }
  assert.deepEqual(
    mutants.filter(isBroken).map(({ name }) => name),
    [],
  )
})

test('each fault of `make mutants` changes something, under a name of its own', () => {
  assert.deepEqual(
    mutants.filter(({ from, to }) => from === to),
    [],
  )
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length)
})

test('each fault of `make mutants` names a test file that is there', () => {
  const missing = ({ by }: (typeof mutants)[number]) =>
    typeof by === 'object' && 'unit' in by && !existsSync(new URL(by.unit, root))
  assert.deepEqual(
    mutants.filter(missing).map(({ name }) => name),
    [],
  )
})
