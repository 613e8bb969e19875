import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { errorMeanings } from '../src/base/error-meanings.ts'
import { type ErrorCode, errors } from '../src/base/errors.ts'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

/** The rows of the Markdown table that follows `heading`, cells trimmed, without header and ruler. */
function table(text: string, heading: string): string[][] {
  const lines = text.slice(text.indexOf(heading)).split('\n')
  const start = lines.findIndex((line) => line.startsWith('|'))
  const end = lines.findIndex((line, i) => i > start && !line.startsWith('|'))
  return lines.slice(start + 2, end < 0 ? undefined : end).map((line) => {
    return line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim())
  })
}

test('docs/errors.md is the errors table', () => {
  const expected = Object.entries(errors).map(([code, { http, close, retry }]) => {
    return [
      `\`${code}\``,
      errorMeanings[code as ErrorCode],
      String(http),
      close === 0 ? 'stays open' : String(close),
      retry,
    ]
  })
  assert.deepEqual(table(read('docs/errors.md'), '# Errors'), expected)
})

test("the README's table has a line for each dependency, and no other", () => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json'))
  const packages = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })
  const listed = table(read('README.md'), '## Dependencies').flatMap(([names]) => {
    return [...names!.matchAll(/`([^`]+)`/g)].map(([, name]) => name)
  })
  assert.deepEqual(listed.sort(), packages.sort())
})
