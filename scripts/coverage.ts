import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Option } from 'commander'
import { CannotRun, exitCodes, runScript, script } from '../test/command/command.ts'
import { Executed, type ScriptCoverage } from '../test/coverage/executed.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

interface Run {
  readonly file: string
  readonly lines: number
  readonly linesRun: number
  readonly branches: number
  readonly branchesRun: number
  /** Stretches of lines that no history runs, each with the test files that run its first line. */
  readonly never: readonly { readonly from: number; readonly to: number; readonly tests: readonly string[] }[]
}

/** Runs `args` with Node under coverage; resolves with what each process or thread says of the project's files. */
async function covered(args: readonly string[], what: string): Promise<ScriptCoverage[][]> {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-coverage-'))
  console.error(`${what} ...`)
  try {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
      cwd: root,
      env: { ...process.env, NODE_V8_COVERAGE: dir },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const said = text(child.stdout)
    const code = await new Promise((resolve) => child.on('exit', resolve))
    if (code !== 0) throw new CannotRun(`${what} failed:\n${failures(await said)}`)
    return readdirSync(dir).map((file) => {
      const { result } = JSON.parse(readFileSync(join(dir, file), 'utf8')) as { result: ScriptCoverage[] }
      return result.filter(({ url }) => url.startsWith('file:') && !url.includes('/node_modules/'))
    })
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Of what a run said, the lines that name what failed. */
function failures(said: string): string {
  const lines = said.split('\n').filter((line) => /^ *not ok |breaks a promise/.test(line))
  return lines.length > 0 ? lines.join('\n') : said.slice(-2000)
}

const pathOf = (url: string): string => relative(root, fileURLToPath(url))

function executedBy(processes: readonly ScriptCoverage[][]): Map<string, Executed> {
  const files = new Map<string, Executed>()
  for (const script of processes.flat()) {
    const path = pathOf(script.url)
    if (!path.startsWith('src/') || path.includes('/generated/')) continue
    const executed = files.get(path) ?? new Executed(readFileSync(join(root, path), 'utf8'))
    executed.add(script)
    files.set(path, executed)
  }
  return files
}

/** Test files, each with what it ran. */
function byTest(processes: readonly ScriptCoverage[][]): Map<string, Map<string, Executed>> {
  const tests = new Map<string, Map<string, Executed>>()
  for (const scripts of processes) {
    const test = scripts.map(({ url }) => pathOf(url)).find((path) => path.endsWith('.test.ts'))
    if (test !== undefined) tests.set(test, executedBy([scripts]))
  }
  return tests
}

function summary(file: string, executed: Executed, tests: Map<string, Map<string, Executed>>): Run {
  const lines = executed.lines()
  const others = [...tests].flatMap(([test, files]) => {
    const own = files.get(file)
    return own === undefined ? [] : [{ test, lines: own.lines() }]
  })
  const never: { from: number; to: number; tests: string[] }[] = []
  let previous = 0
  for (const [line, ran] of lines) {
    const last = never.at(-1)
    if (!ran && last !== undefined && last.to === previous) last.to = line
    else if (!ran) never.push({ from: line, to: line, tests: testsOf(line, others) })
    previous = line
  }
  const { all, ran } = executed.branches
  const linesRun = [...lines.values()].filter((each) => each).length
  return { file, lines: lines.size, linesRun, branches: all, branchesRun: ran, never }
}

function testsOf(line: number, others: readonly { test: string; lines: Map<number, boolean> }[]): string[] {
  return others.filter((each) => each.lines.get(line) === true).map(({ test }) => test)
}

const percent = (part: number, all: number): string => (all === 0 ? '' : `${((100 * part) / all).toFixed(1)} %`)

function table(runs: readonly Run[]): string {
  const folders = Map.groupBy(runs, ({ file }) => file.split('/').slice(1, -1).join('/') || '.')
  const sum = (list: readonly Run[], of: (run: Run) => number) => list.reduce((total, run) => total + of(run), 0)
  const row = (name: string, list: readonly Run[]) => {
    const lines = sum(list, (run) => run.lines)
    const linesRun = sum(list, (run) => run.linesRun)
    const tested = sum(list, ({ never }) => never.filter(({ tests }) => tests.length > 0).length)
    const nothing = sum(list, ({ never }) => never.filter(({ tests }) => tests.length === 0).length)
    const branches = percent(
      sum(list, (run) => run.branchesRun),
      sum(list, (run) => run.branches),
    )
    return [name, list.length, lines, percent(linesRun, lines), branches, tested, nothing]
  }
  const rows = [
    ['folder', 'files', 'lines', 'run', 'branches', 'tests only', 'nothing'],
    ...[...folders].sort().map(([name, list]) => row(name, list)),
    row('all', runs),
  ]
  return rows
    .map(([name, ...rest]) => `${String(name).padEnd(18)}${rest.map((each) => String(each).padStart(12)).join('')}`)
    .join('\n')
}

function list(runs: readonly Run[]): string {
  return runs
    .flatMap(({ file, never }) =>
      never.map(({ from, to, tests }) => {
        const where = from === to ? `${file}:${from}` : `${file}:${from}-${to}`
        const more = tests.length > 2 ? ` and ${tests.length - 2} more` : ''
        return `${where.padEnd(48)} ${tests.length === 0 ? 'NOTHING' : tests.slice(0, 2).join(', ') + more}`
      }),
    )
    .join('\n')
}

function unitTests(dir = 'test'): string[] {
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = `${dir}/${entry.name}`
    if (entry.isDirectory()) return path === 'test/real' || path === 'test/simulation' ? [] : unitTests(path)
    return path.endsWith('.test.ts') ? [path] : []
  })
}

interface Options {
  readonly seeds: string
  readonly source?: string
  readonly out: string
  readonly json?: boolean
}

const command = () =>
  script(
    'coverage',
    'List the lines and branches of src that simulated histories run and, for the other lines, the unit tests that run them.',
  )
    .option('--seeds <from-to>', 'the histories', '1-2000')
    .option('--source <name>', 'broker behind the gateways (default: model)')
    .addOption(
      new Option('--out <file>', 'file for the list of lines').default(
        join(root, '.cache/coverage.txt'),
        '.cache/coverage.txt',
      ),
    )
    .option('--json', 'print everything as JSON')
    .addHelpText('after', '\nExit status: 0, or 2 if a history or a unit test failed, or the command was invalid.')

async function main({ seeds, source, out, json }: Options): Promise<number> {
  const simulate = ['scripts/simulate.ts', '--seeds', seeds, ...(source === undefined ? [] : ['--source', source])]
  const simulated = executedBy(await covered(simulate, `histories of the seeds ${seeds}`))
  const concurrency = `--test-concurrency=${availableParallelism()}`
  const tests = byTest(await covered(['--test', '--test-reporter=tap', concurrency, ...unitTests()], 'unit tests'))
  const runs = [...simulated].sort().map(([file, executed]) => summary(file, executed, tests))
  if (json) {
    console.log(JSON.stringify(runs, null, 2))
    return exitCodes.ok
  }
  mkdirSync(join(out, '..'), { recursive: true })
  writeFileSync(out, `${list(runs)}\n`)
  console.log(table(runs))
  console.log(
    `tests only, nothing: stretches of lines that no history runs; ${relative(process.cwd(), out)} lists them`,
  )
  return exitCodes.ok
}

await runScript(command(), main)
