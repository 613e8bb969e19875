import { Command, CommanderError } from 'commander'
import { commands, names, summaries } from './commands.ts'
import type { Described } from './completion.ts'
import { exitCodes, exitWithStdout, fail } from './exit.ts'
import { version } from './version.ts'

/**
 * Turns `help COMMAND` into `COMMAND --help`. For an unknown command, commander reports the
 * mistake.
 */
function helpFirst(argv: readonly string[]): readonly string[] {
  const [first, second] = argv
  if (first !== 'help' || second === undefined) return argv
  return names.some((name) => name === second) ? [second, '--help'] : [second]
}

/**
 * Formats commander's errors like all others, and suggests commands for a prefix such as `pub`.
 */
const output = {
  outputError(text: string, write: (text: string) => void) {
    const [, typed] = /unknown command '(.+)'\n$/.exec(text) ?? []
    const meant = typed === undefined ? [] : names.filter((name) => name.startsWith(typed))
    const hint = meant.length === 0 ? '' : `(Did you mean ${meant.join(' or ')}?)\n`
    write(text.replace(/^error: /, 'carillon: ') + hint)
  },
}

/** Loads all commands. */
function described(): Promise<Described[]> {
  return Promise.all(
    names.map(async (name) => ({
      name,
      summary: summaries[name],
      command: (await commands[name]()).command(described),
    })),
  )
}

async function main(argv: readonly string[]): Promise<void> {
  exitWithStdout('carillon')
  const name = names.find((each) => each === argv[0])
  try {
    if (name !== undefined) {
      const { command } = await commands[name]()
      const program = command(described).exitOverride().configureOutput(output)
      await program.parseAsync(argv.slice(1), { from: 'user' })
      return
    }
    const program = new Command('carillon').version(version()).exitOverride().configureOutput(output)
    program.description(
      'Notification gateway: delivers events from Kafka, NATS JetStream or an embedded log to WebSocket, SSE and long-poll clients',
    )
    for (const each of names) program.command(each).description(summaries[each])
    program.addHelpText(
      'after',
      '\nExample:\n  carillon serve --dev\n\n`carillon COMMAND --help` shows the options of a command and an example.',
    )
    await program.parseAsync(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    else fail(error)
  }
}

await main(helpFirst(process.argv.slice(2)))
