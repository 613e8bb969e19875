import { Command } from 'commander'
import { decodeToken, isGrowth } from '../wire/token.ts'
import { table } from './text.ts'

export function command(): Command {
  const command = new Command('carillon token')
    .description('Show the positions in a token. A token holds no secret.')
    .argument('<token>')
    .option('--json', 'as JSON')
  command.addHelpText('after', '\nExample:\n  carillon token IBLY44R-AwgVAQHJ')
  return command.action((text: string) => {
    const positions = decodeToken(text)
    if (command.opts<{ json?: boolean }>().json) {
      console.log(JSON.stringify(positions))
      return
    }
    const rows = positions.map((position) => {
      const { nameHash, incarnationHash, partition, offset, generation } = position
      const log = [hex(nameHash), hex(incarnationHash)]
      if (isGrowth(position)) return [...log, `of ${offset}`, '', '']
      return [...log, String(partition), String(offset), generation < 0 ? 'unknown' : String(generation)]
    })
    console.log(table(['stream', 'incarnation', 'partition', 'next offset', 'generation'], rows))
  })
}

const hex = (hash: number): string => hash.toString(16).padStart(8, '0')
