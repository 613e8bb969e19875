import { Command } from 'commander'
import { errorMeanings } from '../base/error-meanings.ts'
import { CarillonError, type ErrorCode, errors } from '../base/errors.ts'
import { table } from './text.ts'

export function command(): Command {
  const command = new Command('carillon errors')
    .description('List the error codes that Carillon returns, with their meanings.')
    .argument('[code]', 'show this code only')
    .option('--json', 'as JSON')
  command.addHelpText('after', '\nExample:\n  carillon errors bad_token')
  return command.action((code: string | undefined) => {
    const codes = code === undefined ? (Object.keys(errors) as ErrorCode[]) : [requireCode(code)]
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

function requireCode(code: string): ErrorCode {
  if (Object.hasOwn(errors, code)) return code as ErrorCode
  throw new CarillonError('bad_request', `expected one of ${Object.keys(errors).join(', ')}; got "${code}"`)
}
