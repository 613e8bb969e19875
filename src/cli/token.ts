import { Command } from 'commander'
import { decodeSaid, type Token } from '../wire/partition-counts.ts'
import type { Log } from '../wire/token.ts'
import { table } from './text.ts'

export function command(): Command {
  const command = new Command('carillon token')
    .description('Show the positions in a token. A token contains no secret.')
    .argument('<token>')
    .option('--json', 'as JSON')
  command.addHelpText('after', '\nExample:\n  carillon token IBLY44R-AwgVAQHJ')
  return command.action((text: string) => {
    const token = decodeSaid(text)
    if (command.opts<{ json?: boolean }>().json) {
      console.log(JSON.stringify(token))
      return
    }
    console.log(table(['stream', 'incarnation', 'partition', 'next offset', 'generation'], tokenRows(token)))
  })
}

/**
 * Returns rows for each log: its positions, and the number of partitions that the token's holder
 * knows.
 */
export function tokenRows({ positions, counts }: Token): string[][] {
  const rows = [
    ...positions.map((position) => {
      const { partition, offset, generation } = position
      return [...hashes(position), String(partition), String(offset), generation < 0 ? 'unknown' : String(generation)]
    }),
    ...counts.map((each) => [...hashes(each), `of ${each.count}`, '', '']),
  ]
  return rows.sort((a, b) => logOf(a).localeCompare(logOf(b)))
}

const hashes = ({ nameHash, incarnationHash }: Log): string[] => [hex(nameHash), hex(incarnationHash)]

const logOf = ([stream, incarnation]: string[]): string => `${stream} ${incarnation}`

const hex = (hash: number): string => hash.toString(16).padStart(8, '0')
