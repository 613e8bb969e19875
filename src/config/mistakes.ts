import type { z } from 'zod'
import { nearest } from '../base/nearest.ts'
import { escapedJson, printable } from '../base/printable.ts'
import { shortened, shortJson } from '../base/shortened.ts'
import { options } from './options.ts'
import { get, type Tree } from './tree.ts'

/**
 * Origin of each option's effective value: `flag --broker`, `CARILLON_BROKER`, `carillon.yaml:
 * broker`, `default`.
 */
export type Origins = ReadonlyMap<string, string>

/**
 * All mistakes of a configuration, each with the option in the form used, the value and the
 * accepted form.
 */
export class ConfigError extends Error {
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'))
    this.name = 'ConfigError'
    this.mistakes = mistakes
  }
}

/** Maximum characters of a value in a message. */
const maxShown = 200

/** Returns a message's first line; yaml shows the location in further lines. */
export const firstLine = (error: unknown) =>
  printable((error as Error).message.split('\n')[0]!.replace(/:$/, '').slice(0, maxShown))

/** Returns a value as short JSON: a file of another format may be one long text. */
export function shortly(value: unknown): string {
  return shortened(escapedJson(shortJson(value, Number.POSITIVE_INFINITY)), maxShown)
}

export function mistakeOf(issue: z.core.$ZodIssue, merged: Tree, origins: Origins, file: string | undefined): string {
  const path = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const known = options.map((option) => option.path)
    const paths = issue.keys.map((name) => [...issue.path, name].join('.'))
    return paths.map((each) => `${originOf(each, origins, file)}: ${noSuchOption(each, known)}`).join('\n')
  }
  const option = options.find((each) => each.path === path)
  const meaning = option === undefined ? '' : ` (${option.description})`
  return `${originOf(path, origins, file)}: ${expectation(issue, get(merged, path), option?.accepts)}${meaning}`
}

/** Returns what was expected and what was found. */
function expectation(issue: z.core.$ZodIssue, value: unknown, accepts: string | undefined): string {
  const got = `got ${value === undefined ? 'nothing' : shortly(value)}`
  if (accepts !== undefined) return `expected ${accepts}, ${got}`
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${expectedTypes[issue.expected] ?? issue.expected}, ${got}`
    case 'too_big':
      return `expected at most ${issue.maximum}, ${got}`
    case 'too_small':
      return `expected ${issue.origin === 'array' || issue.origin === 'string' ? 'at least one, ' : `at least ${issue.minimum}, `}${got}`
    case 'invalid_value':
      return `expected one of ${issue.values.join(', ')}, ${got}`
    case 'invalid_key':
      return `expected a name of letters, digits, ".", "_" and "-", got ${JSON.stringify(issue.path.at(-1))}`
    default:
      return issue.message.includes('got ') ? issue.message : `${issue.message}, ${got}`
  }
}

/** Names of zod's types for people. All numeric options are whole numbers. */
const expectedTypes: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a whole number',
  boolean: 'true or false',
  string: 'text',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
}

/**
 * Returns an option in the form used to set it. Below a structure: the structure's origin and the
 * rest of the path.
 */
export function originOf(path: string, origins: Origins, file: string | undefined): string {
  for (let at = path; at !== ''; at = at.includes('.') ? at.slice(0, at.lastIndexOf('.')) : '') {
    const origin = origins.get(at)
    if (origin !== undefined) return at === path ? origin.replace(/^flag /, '') : `${origin}${path.slice(at.length)}`
  }
  return file === undefined ? path : `${file}: ${path}`
}

export function noSuchOption(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  return `no such option${near === undefined ? '' : `; did you mean ${near}?`}`
}
