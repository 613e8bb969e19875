import { type Command, Option as Flag } from 'commander'
import { type Loaded, loadConfig } from '../config/load.ts'
import { type Option, options, sections } from '../config/options.ts'

/** Configuration options by command. A command's other flags may have the same names. */
const flagsOf = new WeakMap<Command, readonly Option[]>()

/** Adds a flag for each configuration option that `wanted` selects, and `--config`. */
export function withConfig(command: Command, wanted: (option: Option) => boolean): Command {
  const chosen = options.filter(wanted)
  flagsOf.set(command, chosen)
  for (const option of chosen) {
    const flag = new Flag(`${option.flag}${placeholder(option)}`, describe(option)).helpGroup(groupOf(option))
    if (option.kind === 'list') flag.argParser((value: string, all: string[] | undefined) => [...(all ?? []), value])
    // No parser: the schema validates all values together. The choices are for help and
    // completion.
    if (option.choices !== undefined) flag.argChoices = [...option.choices]
    command.addOption(flag)
  }
  return command
    .option('--config <file>', 'YAML or JSON file with options (CARILLON_CONFIG)')
    .addHelpText('after', otherSpellings(chosen.at(-1)!))
}

function otherSpellings({ flag, variable, path }: Option): string {
  return `\nOptions of the configuration can also be set as variables or in the file, for example ${flag}, ${variable}, ${path}.`
}

/**
 * Loads the configuration from the command line, the environment and the file. Throws ConfigError.
 */
export function configOf(command: Command): Loaded {
  const given = command.opts<Record<string, string | boolean | string[]>>()
  const flags: Record<string, string | boolean | readonly string[]> = {}
  for (const option of flagsOf.get(command) ?? []) {
    const value = given[attribute(option)]
    if (value !== undefined) flags[option.path] = value
  }
  const file = typeof given.config === 'string' ? given.config : undefined
  return loadConfig({ flags, env: process.env, file })
}

/** Selects the options for a command that connects to the broker itself. */
export function isOfBroker({ path }: Option): boolean {
  return path === 'broker' || path.startsWith('kafka.tls.') || path.startsWith('kafka.sasl.')
}

/** Returns commander's name for the flag's value. */
function attribute(option: Option): string {
  return new Flag(`${option.flag} <value>`).attributeName()
}

/** Units by the suffix of an option's name. */
const units: readonly (readonly [RegExp, string])[] = [
  [/Ms$/, 'ms'],
  [/MiB$/, 'MiB'],
  [/Bytes$/, 'bytes'],
]

function placeholder({ kind, path, label }: Option): string {
  if (kind === 'switch') return ''
  const unit = units.find(([name]) => name.test(path))?.[1]
  return ` <${label ?? unit ?? 'count'}>`
}

/** Returns the heading under which the help groups the options of a section of the file. */
function groupOf({ path }: Option): string {
  const section = path.includes('.') ? path.slice(0, path.indexOf('.')) : ''
  return section === '' ? 'Options:' : `${section}: ${sections.get(section)}`
}

function describe({ kind, description, default: value }: Option): string {
  const isBare = value === undefined || kind === 'switch' || (Array.isArray(value) && value.length === 0)
  return `${description}${isBare ? '' : ` (default: ${typeof value === 'string' ? value : JSON.stringify(value)})`}`
}
