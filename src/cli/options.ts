import { type Command, Option as Flag } from 'commander'
import { type Loaded, loadConfig, type Option, options } from '../config-load.ts'

/** Gives `command` a flag for each option of the configuration that `wanted` names, and `--config`. */
export function withConfig(command: Command, wanted: (option: Option) => boolean): Command {
  for (const option of options.filter(wanted)) {
    const flag = new Flag(option.kind === 'switch' ? option.flag : `${option.flag} <value>`, describe(option))
    if (option.kind === 'list') flag.argParser((value: string, all: string[] | undefined) => [...(all ?? []), value])
    // Values are validated together, by the schema: `attributeName` would lose which option it was.
    command.addOption(flag)
  }
  return command.option('--config <file>', 'YAML or JSON file with options (CARILLON_CONFIG)')
}

/** The configuration as the command line, the environment and the file give it. Throws ConfigError. */
export function configOf(command: Command, overrides: Readonly<Record<string, string | boolean>> = {}): Loaded {
  const given = command.opts<Record<string, string | boolean | string[]>>()
  const flags: Record<string, string | boolean | readonly string[]> = {}
  for (const option of options) {
    const value = given[attribute(option)]
    if (value !== undefined) flags[option.path] = value
    const forced = overrides[option.path]
    if (forced !== undefined && value === undefined) flags[option.path] = forced
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
