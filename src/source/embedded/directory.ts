import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Creates `dir` and its missing parents. Node's own `recursive` never returns on a file system
 * that answers ENOENT to every attempt to create something in an existing directory, such as
 * /proc.
 */
export function makeDirectory(dir: string): void {
  if (isDirectory(dir)) return
  const above = dirname(dir)
  if (above !== dir) makeDirectory(above)
  try {
    mkdirSync(dir)
  } catch (error) {
    // Another process was faster.
    if (!isDirectory(dir)) throw error
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
