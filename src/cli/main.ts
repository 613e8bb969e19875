import { Command, CommanderError } from 'commander'
import { exitCodes, fail } from './exit.ts'
import { version } from './version.ts'

/** Where a command lives: its file is loaded when it is used, so that none waits for another's packages. */
const commands = {
  serve: () => import('./serve.ts'),
  publish: () => import('./publish.ts'),
  subscribe: () => import('./subscribe.ts'),
  routes: () => import('./routes.ts'),
  streams: () => import('./streams.ts'),
  config: () => import('./config.ts'),
  token: () => import('./token.ts'),
  health: () => import('./health.ts'),
  status: () => import('./status.ts'),
  rejected: () => import('./rejected.ts'),
  doctor: () => import('./doctor.ts'),
  plan: () => import('./plan.ts'),
  errors: () => import('./errors.ts'),
  bench: () => import('./bench.ts'),
} as const

const summaries: Readonly<Record<keyof typeof commands, string>> = {
  serve: 'run a gateway',
  publish: 'publish events',
  subscribe: 'show the events of subjects as they come',
  routes: 'where subjects are',
  streams: 'create the streams of the configuration on the broker',
  config: 'check and show the configuration',
  token: 'show the positions in a token',
  health: 'ask a gateway whether it is ready',
  status: 'what a gateway does, and who was refused by which limit',
  rejected: 'the records that a gateway could not use, and why',
  doctor: 'check this host and the broker, and say what to mend',
  plan: 'how many hosts a load takes, and what they need',
  errors: 'the errors, and what to do',
  bench: 'put a load on gateways and measure them',
}

const names = Object.keys(commands) as (keyof typeof commands)[]

/** `help COMMAND` is `COMMAND --help`. */
function helpFirst(argv: readonly string[]): readonly string[] {
  return argv[0] === 'help' && argv[1] !== undefined ? [argv[1], '--help'] : argv
}

/** commander's mistakes look like all others. */
const output = {
  outputError: (text: string, write: (text: string) => void) => write(text.replace(/^error: /, 'carillon: ')),
}

async function main(argv: readonly string[]): Promise<void> {
  // A reader that went away (`| head`) is no fault of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok)
    console.error(`carillon: cannot write to stdout: ${error.message}`)
    process.exit(exitCodes.failed)
  })
  const name = names.find((each) => each === argv[0])
  try {
    if (name !== undefined) {
      const { command } = await commands[name]()
      const program = command().exitOverride().configureOutput(output)
      await program.parseAsync(argv.slice(1), { from: 'user' })
      return
    }
    const program = new Command('carillon').version(version()).exitOverride().configureOutput(output)
    program.description('Events from Kafka, NATS JetStream or an embedded log to WebSocket, SSE and long-poll clients')
    for (const each of names) program.command(each).description(summaries[each])
    program.addHelpText(
      'after',
      '\nExample:\n  carillon serve --dev\n\n`carillon COMMAND --help` shows the options and an example of each.',
    )
    await program.parseAsync(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    else fail(error)
  }
}

await main(helpFirst(process.argv.slice(2)))
