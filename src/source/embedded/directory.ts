import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes `dir` and what is missing above it. Node's own `recursive` never returns where a file system answers ENOENT to each attempt
 * to create something in a directory that exists, as /proc does.
 */
export function makeDirectory(dir: string): void {
  if (isDirectory(dir)) return
  const above = dirname(dir)
  if (above !== dir) makeDirectory(above)
  try {
    mkdirSync(dir)
  } catch (error) {
    // Another process was quicker.
    if (!isDirectory(dir)) throw error
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
