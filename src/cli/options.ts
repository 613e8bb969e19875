import { type Command, Option as Flag } from 'commander'
import { type Loaded, loadConfig, type Option, options } from '../config-load.ts'

/** The options that a command has flags for; its other flags may have the same names. */
const flagsOf = new WeakMap<Command, readonly Option[]>()

/** Gives `command` a flag for each option of the configuration that `wanted` names, and `--config`. */
export function withConfig(command: Command, wanted: (option: Option) => boolean): Command {
  const chosen = options.filter(wanted)
  flagsOf.set(command, chosen)
  for (const option of chosen) {
    const flag = new Flag(option.kind === 'switch' ? option.flag : `${option.flag} <value>`, describe(option))
    if (option.kind === 'list') flag.argParser((value: string, all: string[] | undefined) => [...(all ?? []), value])
    // No parser of its own: values are validated together, by the schema.
    command.addOption(flag)
  }
  return command.option('--config <file>', 'YAML or JSON file with options (CARILLON_CONFIG)')
}

/** The configuration as the command line, the environment and the file give it. Throws ConfigError. */
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

/** commander's name of the flag's value. */
function attribute(option: Option): string {
  return new Flag(`${option.flag} <value>`).attributeName()
}

function describe(option: Option): string {
  const shown = option.default === undefined || option.kind === 'switch' ? '' : ` (default: ${shownDefault(option)})`
  return `${option.description}${shown}`
}

function shownDefault({ kind, default: value }: Option): string {
  return kind === 'structure' || kind === 'list' ? JSON.stringify(value) : String(value)
}
