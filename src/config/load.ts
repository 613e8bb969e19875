import { readFileSync } from 'node:fs'
import { parse as parseYaml } from 'yaml'
import type { z } from 'zod'
import type { Problem } from '../base/setting.ts'
import type { Config } from './config.ts'
import { ConfigError, firstLine, mistakeOf, noSuchOption, type Origins, originOf, shortly } from './mistakes.ts'
import { type Option, options } from './options.ts'
import { problemsOf } from './problems.ts'
import { configSchema } from './schema.ts'
import { get, set, type Tree } from './tree.ts'

export interface Loaded {
  readonly config: Config
  readonly origins: Origins
}

export interface ConfigInput {
  /** Values of flags by option path. Lists are arrays, switches booleans. */
  readonly flags: Readonly<Record<string, string | boolean | readonly string[]>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Path of a YAML or JSON file. */
  readonly file?: string | undefined
}

/** The variable that names the file. It is not an option of the schema. */
export const fileVariable = 'CARILLON_CONFIG'
/** Variables of `bin/carillon` and the tests, which are not options either. */
const otherVariables = new Set([fileVariable, 'CARILLON_INVOKED_AS', 'CARILLON_NODE_OPTIONS', 'CARILLON_TEST_NO_SKIP'])

/** Merges by precedence: flags, variables, file, defaults. Throws ConfigError. */
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
  const found = parsed.success ? problemsOf(parsed.data) : problemsAround(merged, parsed.error.issues)
  mistakes.push(...found.map(({ path, message }) => `${originOf(path, origins, file)}: ${message}`))
  if (mistakes.length > 0 || !parsed.success) throw new ConfigError(mistakes)
  return { config: parsed.data, origins }
}

/**
 * Returns the problems of the options that are valid one by one, so that all mistakes are
 * reported at once.
 */
function problemsAround(merged: Tree, issues: readonly z.core.$ZodIssue[]): readonly Problem[] {
  const wrong = new Set(
    issues.flatMap((issue) => (issue.path.length === 0 ? wrongKeys(issue) : [String(issue.path[0])])),
  )
  const rest = Object.fromEntries(Object.entries(merged).filter(([name]) => !wrong.has(name)))
  const parsed = configSchema.safeParse(rest)
  return parsed.success ? problemsOf(parsed.data, wrong) : []
}

const wrongKeys = (issue: z.core.$ZodIssue): string[] => (issue.code === 'unrecognized_keys' ? issue.keys : [])

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

function mergeEnv(merged: Tree, origins: Map<string, string>, env: ConfigInput['env'], mistakes: string[]): void {
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('CARILLON_') || otherVariables.has(variable) || text === undefined) continue
    const option = options.find((each) => each.variable === variable)
    if (option === undefined) {
      const known = options.map((each) => each.variable)
      mistakes.push(`${variable}: ${noSuchOption(variable, known)}`)
      continue
    }
    set(merged, option.path, fromText(option, text))
    origins.set(option.path, variable)
  }
}

/** Leaves invalid text unchanged, so that the schema reports it. */
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
