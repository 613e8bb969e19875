import { availableParallelism } from 'node:os'
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { exitWithStdout } from '../../src/cli/exit.ts'

/**
 * Options, reports and exit statuses of all scripts, consistent with the gateway's command line.
 */

/** The command is valid but cannot run here. Reported without a stack. */
export class CannotRun extends Error {}

export const exitCodes = { ok: 0, failed: 1, cannotRun: 2, interrupted: 130 } as const

/** Returns the command of `scripts/NAME.ts`; `about` is one paragraph for `--help`. */
export function script(name: string, about: string): Command {
  return new Command(`$(bin/find-node) scripts/${name}.ts`)
    .description(about)
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: false })
    .exitOverride()
}

/** Parses `args`. Throws a CommanderError after printing what was expected, or the help. */
export function optionsFrom<T extends object>(command: Command, args: readonly string[]): T {
  return command.parse([...args], { from: 'user' }).opts<T>()
}

/** Commands for a server for tests and trials that keeps running after the command. */
export interface ServerCommands {
  /** Description for `--help`. */
  readonly install: string
  /** Returns why the server cannot be installed here; undefined = it can, or it already is. */
  readonly lacks: () => string | undefined
  readonly fetch: (say: (line: string) => void) => Promise<void>
  /**
   * Starts the server and returns how to reach it. `port` is undefined where the caller cannot
   * choose it.
   */
  readonly start: (port: number) => Promise<string>
  /** Default port; undefined = the ports are fixed. */
  readonly port?: number
  /** Stops the server; false = none was running. */
  readonly stop: () => boolean
}

/** Runs `install`, `start` or `stop` of a server, on loopback. */
export async function runServerScript(file: string, name: string, server: ServerCommands): Promise<void> {
  const say = (line: string) => void process.stdout.write(`${line}\n`)
  const program = script(file, `${name} for tests and trials, on loopback.`)
  program
    .command('install')
    .description(server.install)
    .action(async () => {
      const lacking = server.lacks()
      if (lacking === undefined) return server.fetch(say)
      say(`${name} is not installed: ${lacking}. The suites that need it will be skipped.`)
      if (process.env.CARILLON_TEST_NO_SKIP === '1') process.exitCode = exitCodes.failed
    })
  const start = program.command('start').description('start one that keeps running after this command')
  if (server.port !== undefined)
    start.addArgument(new Argument('[port]').argParser(whole(1, 65_535)).default(server.port))
  start.action(async (port: number) => {
    await server.fetch(say)
    say(`${name} is up: ${await server.start(port)}`)
    say(`End it with: $(bin/find-node) scripts/${file}.ts stop`)
  })
  program
    .command('stop')
    .description('end it; its data stays in .cache')
    .action(() => say(server.stop() ? `${name} has stopped` : `no ${name} started by this script is running`))
  try {
    await program.parseAsync()
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.cannotRun
  }
}

/**
 * Runs a script. `main` returns its exit status; an error is reported and ends the script with 2.
 */
export async function runScript<T extends object>(
  command: Command,
  main: (options: T, args: readonly string[]) => Promise<number>,
): Promise<void> {
  exitWithStdout(command.name())
  let options: T
  try {
    options = optionsFrom<T>(command, process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.cannotRun
    return
  }
  try {
    process.exitCode = await main(options, command.args)
  } catch (error) {
    const isExpected = error instanceof CannotRun || error instanceof InvalidArgumentError
    progress(isExpected ? error.message : String(error instanceof Error ? error.stack : error))
    // Child processes may still run: they end with this process.
    process.exit(exitCodes.cannotRun)
  }
}

/** Writes one line to stderr, separate from the results on stdout. */
export const progress = (line: string): void => void process.stderr.write(`${line}\n`)

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Makes Ctrl-C end the script at once. Its children have `exit` handlers, or notice that this
 * process has ended.
 */
export function endsAtCtrlC(): void {
  for (const signal of signals) process.once(signal, () => process.exit(exitCodes.interrupted))
}

/** Makes the first Ctrl-C call `interrupt` and the second end the script at once. */
export function interruptible(interrupt: () => void): void {
  let interrupted = false
  for (const signal of signals) {
    process.on(signal, () => {
      if (interrupted) process.exit(exitCodes.interrupted)
      interrupted = true
      interrupt()
    })
  }
}

/** Returns a parser of whole numbers from `least` to `most`. */
export function whole(least = 1, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    throw new InvalidArgumentError(`expected a whole number ${range(least, most)}, got ${JSON.stringify(text)}`)
  }
}

/** Returns a parser of numbers of at least `least`, or above `above`. */
export function number(bound: { readonly least: number } | { readonly above: number }): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text)
    if ('least' in bound ? value >= bound.least : value > bound.above) return value
    const wanted = 'least' in bound ? `from ${bound.least}` : `above ${bound.above}`
    throw new InvalidArgumentError(`expected a number ${wanted}, got ${JSON.stringify(text)}`)
  }
}

/** Returns a parser of comma-separated names. Its result is in the order of `all`. */
export function names<T extends string>(all: readonly T[]): (text: string) => T[] {
  return (text) => {
    const given = text.split(',')
    const unknown = given.find((name) => !all.includes(name as T))
    if (unknown === undefined) return all.filter((each) => given.includes(each))
    throw new InvalidArgumentError(`expected names among ${all.join(', ')}, got ${JSON.stringify(unknown)}`)
  }
}

/** Returns an option of comma-separated names; default all. */
export const namesOption = <T extends string>(flags: string, about: string, all: readonly T[]): Option =>
  new Option(flags, `${about}, comma-separated: ${all.join(', ')}`).argParser(names(all)).default([...all], 'all')

/**
 * Returns an option for the number of parallel threads or processes; default one for each core.
 */
export const jobsOption = (what: string): Option =>
  new Option('--jobs <count>', `${what} at once`)
    .argParser(whole())
    .default(availableParallelism(), 'one for each core')

const range = (least: number, most: number): string =>
  most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
