import { Command } from 'commander'
import { decodeToken, isGrowth } from '../wire/token.ts'
import { table } from './text.ts'

export function command(): Command {
  const command = new Command('carillon token')
    .description('Show the positions in a token. A token holds no secret.')
    .argument('<token>')
    .option('--json', 'as JSON')
  command.addHelpText('after', '\nExample:\n  carillon token EB0nNhUBASs')
  return command.action((text: string) => {
    const positions = decodeToken(text)
    if (command.opts<{ json?: boolean }>().json) {
      console.log(JSON.stringify(positions))
      return
    }
    const rows = positions.map((position) => {
      const { streamHash, partition, offset, generation } = position
      const hash = streamHash.toString(16).padStart(8, '0')
      if (isGrowth(position)) return [hash, `of ${offset}`, '', '']
      return [hash, String(partition), String(offset), generation < 0 ? 'unknown' : String(generation)]
    })
    console.log(table(['stream', 'partition', 'next offset', 'generation'], rows))
  })
}
