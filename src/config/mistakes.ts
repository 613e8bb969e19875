import type { z } from 'zod'
import { nearest } from '../base/nearest.ts'
import { escapedJson, printable } from '../base/printable.ts'
import { shortened, shortJson } from '../base/shortened.ts'
import { options } from './options.ts'
import { get, type Tree } from './tree.ts'

/** Where the effective value of an option came from: `flag --broker`, `CARILLON_BROKER`, `carillon.yaml: broker`, `default`. */
export type Origins = ReadonlyMap<string, string>

/** All mistakes of a configuration at once, each with the option as it was given, the value and the accepted form. */
export class ConfigError extends Error {
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'))
    this.name = 'ConfigError'
    this.mistakes = mistakes
  }
}

/** Characters of what somebody gave, in a message. */
const maxShown = 200

/** yaml shows the place in further lines. */
export const firstLine = (error: unknown) =>
  printable((error as Error).message.split('\n')[0]!.replace(/:$/, '').slice(0, maxShown))

/** A value as JSON, in short: a file of another kind may be one long text. */
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
  return `${originOf(path, origins, file)}: ${said(issue, get(merged, path), option?.accepts)}${meaning}`
}

/** What was expected and what is there. */
function said(issue: z.core.$ZodIssue, value: unknown, accepts: string | undefined): string {
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

/** zod's names of types, as people say them; every number among the options is a whole one. */
const expectedTypes: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a whole number',
  boolean: 'true or false',
  string: 'text',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
}

/** The option in the form in which it was given; below a structure, the structure's origin and the rest of the path. */
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
