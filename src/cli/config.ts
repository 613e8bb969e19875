import { Command } from 'commander'
import { options } from '../config/options.ts'
import { jsonSchema } from '../config/schema.ts'
import { get } from '../config/tree.ts'
import { choiceArgument, oneOf } from './choice.ts'
import { configOf, withConfig } from './options.ts'
import { table } from './text.ts'

const actions = ['check', 'print', 'schema'] as const

export function command(): Command {
  const command = new Command('carillon config')
    .description(
      'check: validate the configuration. print: show the effective values and their origins. schema: print the JSON Schema of the file.',
    )
    .addArgument(choiceArgument('<what>', '', actions))
    .option('--json', 'as JSON')
  withConfig(command, ({ kind }) => kind !== 'structure')
  command.addHelpText('after', '\nExample:\n  carillon config print --config carillon.yaml')
  return command.action((asked: string) => {
    const what = oneOf(asked, actions)
    if (what === 'schema') {
      console.log(JSON.stringify(jsonSchema(), null, 2))
      return
    }
    const { config, origins } = configOf(command)
    const { json } = command.opts<{ json?: boolean }>()
    if (what === 'check') {
      console.log(json ? '{"ok":true}' : 'the configuration is valid')
      return
    }
    const effective = options.map(({ path }) => ({
      path,
      value: get(config, path),
      from: origins.get(path) ?? 'default',
    }))
    if (json) console.log(JSON.stringify(effective))
    else
      console.log(
        table(
          ['option', 'value', 'from'],
          effective.map(({ path, value, from }) => [path, shown(value), from]),
        ),
      )
  })
}

const shown = (value: unknown) => (typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value))
