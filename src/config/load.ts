import { readFileSync } from 'node:fs'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { escapedJson, printable } from '../base/printable.ts'
import { type Config, type Conflict, configSchema, conflicts } from './config.ts'

/** One option that a flag, a variable or a file's key can set. */
export interface Option {
  /** `limits.maxSessions` */
  readonly path: string
  /** `--limits-max-sessions` */
  readonly flag: string
  /** `CARILLON_LIMITS_MAX_SESSIONS` */
  readonly variable: string
  readonly description: string
  readonly kind: 'text' | 'number' | 'switch' | 'list' | 'structure'
  /** What it takes, where that can be said in a few words: `a whole number from 1 to 256`. */
  readonly accepts: string | undefined
  readonly default: unknown
}

/** Where the effective value of an option came from: `flag --broker`, `CARILLON_BROKER`, `carillon.yaml: broker`, `default`. */
export type Origins = ReadonlyMap<string, string>

export interface Loaded {
  readonly config: Config
  readonly origins: Origins
}

export interface ConfigInput {
  /** Values of flags by option path; lists as arrays, switches as booleans. */
  readonly flags: Readonly<Record<string, string | boolean | readonly string[]>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** YAML or JSON. */
  readonly file?: string | undefined
}

/** All mistakes of a configuration at once, each with the option as it was given, the value and the accepted form. */
export class ConfigError extends Error {
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'))
    this.name = 'ConfigError'
    this.mistakes = mistakes
  }
}

/** The file's own variable, which is no option of the schema. */
export const fileVariable = 'CARILLON_CONFIG'
/** Variables of `bin/carillon` and the tests, which are none either. */
const otherVariables = new Set([fileVariable, 'CARILLON_INVOKED_AS', 'CARILLON_NODE_OPTIONS', 'CARILLON_TEST_NO_SKIP'])

type Tree = Record<string, unknown>

export const options: readonly Option[] = collectOptions(configSchema.shape, [])

/** What the options below a name of the file (`limits`) are about. */
export const sections: ReadonlyMap<string, string> = new Map(
  Object.entries(configSchema.shape).flatMap(([name, schema]) => {
    return unwrap(schema).inner instanceof z.ZodObject ? [[name, schema.description ?? '']] : []
  }),
)

/** Flags before variables before the file before defaults. Throws ConfigError. */
export function loadConfig(input: ConfigInput): Loaded {
  const mistakes: string[] = []
  const origins = new Map<string, string>()
  const merged: Tree = {}
  const file = input.file ?? input.env[fileVariable]
  if (file !== undefined) mergeFile(merged, origins, file, mistakes)
  mergeEnv(merged, origins, input.env, mistakes)
  for (const [path, value] of Object.entries(input.flags)) {
    const option = options.find((each) => each.path === path)!
    set(merged, path, typeof value === 'string' ? fromText(option, value) : value)
    origins.set(path, `flag ${option.flag}`)
  }
  const parsed = configSchema.safeParse(merged)
  if (!parsed.success) mistakes.push(...parsed.error.issues.map((issue) => mistakeOf(issue, merged, origins, file)))
  const found = parsed.success ? conflicts(parsed.data) : conflictsAround(merged, parsed.error.issues)
  mistakes.push(...found.map(({ path, message }) => `${originOf(path, origins, file)}: ${message}`))
  if (mistakes.length > 0 || !parsed.success) throw new ConfigError(mistakes)
  return { config: parsed.data, origins }
}

/** The conflicts of what is right by itself, so that one look at the mistakes is enough. */
function conflictsAround(merged: Tree, issues: readonly z.core.$ZodIssue[]): readonly Conflict[] {
  const wrong = new Set(
    issues.flatMap((issue) => (issue.path.length === 0 ? wrongKeys(issue) : [String(issue.path[0])])),
  )
  const rest = Object.fromEntries(Object.entries(merged).filter(([name]) => !wrong.has(name)))
  const parsed = configSchema.safeParse(rest)
  return parsed.success ? conflicts(parsed.data, wrong) : []
}

const wrongKeys = (issue: z.core.$ZodIssue): string[] => (issue.code === 'unrecognized_keys' ? issue.keys : [])

/** The schema of the configuration file, as JSON Schema. */
export function jsonSchema(): unknown {
  return z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' })
}

function mergeFile(merged: Tree, origins: Map<string, string>, file: string, mistakes: string[]): void {
  let content: unknown
  try {
    content = parseYaml(readFileSync(file, 'utf8')) ?? {}
  } catch (error) {
    mistakes.push(`--config ${file}: expected a readable YAML or JSON file: ${firstLine(error)}`)
    return
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    mistakes.push(`--config ${file}: expected a mapping of options at the top, got ${shortly(content)}`)
    return
  }
  Object.assign(merged, content)
  for (const { path } of options) if (get(content as Tree, path) !== undefined) origins.set(path, `${file}: ${path}`)
}

/** Characters of what somebody gave, in a message. */
const maxShown = 200

/** yaml shows the place in further lines. */
const firstLine = (error: unknown) =>
  printable((error as Error).message.split('\n')[0]!.replace(/:$/, '').slice(0, maxShown))

/** A value as JSON, in short: a file of another kind may be one long text. */
function shortly(value: unknown): string {
  const text = escapedJson(JSON.stringify(value))
  return text.length <= maxShown ? text : `${text.slice(0, maxShown)}...`
}

function mergeEnv(merged: Tree, origins: Map<string, string>, env: ConfigInput['env'], mistakes: string[]): void {
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('CARILLON_') || otherVariables.has(variable) || text === undefined) continue
    const option = options.find((each) => each.variable === variable)
    if (option === undefined) {
      const near = nearest(
        variable,
        options.map((each) => each.variable),
      )
      mistakes.push(`${variable}: no such option${near === undefined ? '' : `; did you mean ${near}?`}`)
      continue
    }
    set(merged, option.path, fromText(option, text))
    origins.set(option.path, variable)
  }
}

/** What does not fit is left as text, so that the schema names it. */
function fromText(option: Option, text: string): unknown {
  switch (option.kind) {
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text
    case 'switch':
      return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : text
    case 'list':
      return text === '' ? [] : text.split(',').map((part) => part.trim())
    case 'structure':
      try {
        return parseYaml(text)
      } catch {
        return text
      }
    case 'text':
      return text
  }
}

function mistakeOf(issue: z.core.$ZodIssue, merged: Tree, origins: Origins, file: string | undefined): string {
  const path = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const known = options.map((option) => option.path)
    return issue.keys
      .map((name) => {
        const near = nearest([...issue.path, name].join('.'), known)
        return `${originOf([...issue.path, name].join('.'), origins, file)}: no such option${near === undefined ? '' : `; did you mean ${near}?`}`
      })
      .join('\n')
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
function originOf(path: string, origins: Origins, file: string | undefined): string {
  for (let at = path; at !== ''; at = at.includes('.') ? at.slice(0, at.lastIndexOf('.')) : '') {
    const origin = origins.get(at)
    if (origin !== undefined) return at === path ? origin.replace(/^flag /, '') : `${origin}${path.slice(at.length)}`
  }
  return file === undefined ? path : `${file}: ${path}`
}

function collectOptions(shape: Readonly<Record<string, z.core.$ZodType>>, above: readonly string[]): Option[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const path = [...above, name]
    const { inner, value } = unwrap(schema)
    if (inner instanceof z.ZodObject) return collectOptions(inner.shape, path)
    const words = path.map((part) => part.replace('MiB', 'Mib').replace(/([a-z0-9])([A-Z])/g, '$1-$2'))
    const joined = words.join('-')
    return [
      {
        path: path.join('.'),
        flag: `--${joined.toLowerCase()}`,
        variable: `CARILLON_${joined.replaceAll('-', '_').toUpperCase()}`,
        description: (schema as z.ZodType).description ?? '',
        kind: kindOf(inner),
        accepts: acceptedBy(inner),
        default: value,
      },
    ]
  })
}

function unwrap(schema: z.core.$ZodType): { inner: z.core.$ZodType; value: unknown } {
  if (schema instanceof z.ZodDefault) return { inner: unwrap(schema.unwrap()).inner, value: schema.def.defaultValue }
  if (schema instanceof z.ZodPrefault) return { inner: unwrap(schema.unwrap()).inner, value: schema.def.defaultValue }
  if (schema instanceof z.ZodOptional) return unwrap(schema.unwrap())
  return { inner: schema, value: undefined }
}

function kindOf(schema: z.core.$ZodType): Option['kind'] {
  if (schema instanceof z.ZodNumber) return 'number'
  if (schema instanceof z.ZodBoolean) return 'switch'
  if (schema instanceof z.ZodArray) return schema.element instanceof z.ZodString ? 'list' : 'structure'
  return schema instanceof z.ZodRecord ? 'structure' : 'text'
}

function acceptedBy(schema: z.core.$ZodType): string | undefined {
  if (schema instanceof z.ZodNumber) return `a whole number from ${schema.minValue} to ${schema.maxValue}`
  if (schema instanceof z.ZodEnum) return `one of ${schema.options.join(', ')}`
  return schema instanceof z.ZodBoolean ? 'true or false' : undefined
}

/** The known name that is at most a third of its letters away. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const scored = known.map((each) => ({ each, distance: editDistance(name.toLowerCase(), each.toLowerCase()) }))
  const best = scored.sort((a, b) => a.distance - b.distance)[0]
  return best !== undefined && best.distance <= Math.max(2, name.length / 3) ? best.each : undefined
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

export function get(tree: unknown, path: string): unknown {
  let at = tree
  for (const name of path === '' ? [] : path.split('.')) {
    if (typeof at !== 'object' || at === null) return undefined
    at = (at as Tree)[name]
  }
  return at
}

function set(tree: Tree, path: string, value: unknown): void {
  const names = path.split('.')
  const last = names.pop()!
  let at = tree
  for (const name of names) {
    const below = at[name] ?? {}
    // No mapping: left as it is, so that the schema names it.
    if (typeof below !== 'object' || Array.isArray(below)) return
    at[name] = { ...below }
    at = at[name] as Tree
  }
  at[last] = value
}
