import { readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import type { PositionStore } from './store.ts'

/**
 * Keeps positions in a JSON file. Each save writes a new file and renames it over the old one, so
 * that a crash leaves one of the two. For one process at a time. Throws if the file exists and
 * can't be read.
 */
export function fileStore(path: string): PositionStore {
  const tokens = read(path)
  return {
    load: (key) => tokens.get(key),
    async save(key, token) {
      tokens.set(key, token)
      const next = `${path}.next`
      await writeFile(next, `${JSON.stringify(Object.fromEntries(tokens), undefined, 2)}\n`, { mode: 0o600 })
      await rename(next, path)
    },
  }
}

function read(path: string): Map<string, string> {
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw error
  }
  const value: unknown = JSON.parse(text)
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : []
  if (entries.some(([, token]) => typeof token !== 'string')) {
    throw new TypeError(`${path}: expected a JSON object of tokens, as fileStore writes it`)
  }
  return new Map(entries as [string, string][])
}
