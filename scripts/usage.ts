/** What people can act on: told without a stack, with exit status 2. */
export class UsageError extends Error {}

/** A flag's value as a whole number. */
export function wholeNumber(flag: string, text: string, least: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new UsageError(`${flag}: expected a whole number from ${least} on, got ${JSON.stringify(text)}`)
}

/** Runs a script's `main`, which returns its exit status. `--help` prints `usage`; a wrong call says what is wrong. */
export async function runScript(usage: string, main: () => Promise<number>): Promise<void> {
  if (process.argv.slice(2).some((each) => each === '--help' || each === '-h')) {
    process.stdout.write(`${usage.trim()}\n`)
    return
  }
  try {
    process.exitCode = await main()
  } catch (error) {
    const { code = '', message } = error as Error & { code?: string }
    if (!(error instanceof UsageError) && !code.startsWith('ERR_PARSE_ARGS')) throw error
    process.stderr.write(`${message}\n`)
    process.exitCode = 2
  }
}
