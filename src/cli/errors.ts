import { Command } from 'commander'
import { errorMeanings } from '../base/error-meanings.ts'
import { type ErrorCode, errors } from '../base/errors.ts'
import { choiceArgument, oneOf } from './choice.ts'
import { table } from './text.ts'

export function command(): Command {
  const command = new Command('carillon errors')
    .description('List the error codes that Carillon returns, with their meanings.')
    .addArgument(choiceArgument('[code]', 'show this code only', Object.keys(errors)))
    .option('--json', 'as JSON')
  command.addHelpText('after', '\nExample:\n  carillon errors bad_token')
  return command.action((code: string | undefined) => {
    const all = Object.keys(errors) as ErrorCode[]
    const codes = code === undefined ? all : [oneOf(code, all)]
    const chosen = Object.fromEntries(codes.map((each) => [each, { meaning: errorMeanings[each], ...errors[each] }]))
    if (command.opts<{ json?: boolean }>().json) {
      console.log(JSON.stringify(chosen, null, 2))
      return
    }
    const rows = Object.entries(chosen).map(([name, { meaning, http, close, retry }]) => {
      return [name, String(http), close === 0 ? 'open' : String(close), retry, meaning]
    })
    console.log(table(['code', 'http', 'close', 'retry', 'meaning'], rows))
  })
}
