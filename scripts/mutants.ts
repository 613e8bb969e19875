import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Option } from 'commander'
import { table } from '../src/cli/text.ts'
import { CannotRun, endsAtCtrlC, exitCodes, jobsOption, runScript, script } from '../test/command/command.ts'
import { mutants } from '../test/mutants/all.ts'
import type { Check, Mutant } from '../test/mutants/mutant.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
/** What of the root is no part of the copy. */
const left: ReadonlySet<string> = new Set(['node_modules', '.git', '.cache', '.carillon'])
/** A check that runs longer has met a loop that does not end, ms: 1,500 histories take a quarter of it on a busy host. */
const limitMs = 900_000
/** Of one test, ms. */
const testMs = 60_000

interface Verdict {
  readonly caught: boolean
  /** The seed and the promise that it broke, or the test that failed. */
  readonly said: string
}

/** A copy of the tree, into which one mutant after the other is put. */
class Copy {
  readonly path = mkdtempSync(join(tmpdir(), 'carillon-mutant-'))
  #running: ChildProcess | undefined

  constructor() {
    for (const name of readdirSync(root)) {
      if (!left.has(name)) cpSync(join(root, name), join(this.path, name), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(this.path, 'node_modules'))
  }

  async judge(mutant: Mutant, seeds: string): Promise<Verdict> {
    const { name, file, from, to, by } = mutant
    const place = join(this.path, 'src', file)
    const text = readFileSync(place, 'utf8')
    if (text.split(from).length !== 2) throw new Error(`"${name}": src/${file} has to have this once: ${from}`)
    writeFileSync(
      place,
      text.replace(from, () => to),
    )
    try {
      return await this.#run(flagsOf(by, seeds), patternOf(by))
    } finally {
      writeFileSync(place, text)
    }
  }

  remove(): void {
    this.#running?.kill('SIGKILL')
    rmSync(this.path, { recursive: true, force: true })
  }

  /** What a check says is looked through for `pattern`: one that does not even run would be caught by anything. */
  async #run(flags: readonly string[], pattern: RegExp): Promise<Verdict> {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...flags], {
      cwd: this.path,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#running = child
    let output = ''
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString()
    })
    let endless = false
    const limit = setTimeout(() => {
      endless = true
      child.kill('SIGKILL')
    }, limitMs)
    await new Promise((resolve) => child.on('close', resolve))
    clearTimeout(limit)
    if (endless) return { caught: true, said: 'it does not end' }
    const said = pattern.exec(output)?.[1]
    return { caught: said !== undefined, said: said ?? 'nothing' }
  }
}

function flagsOf(by: Check, seeds: string): string[] {
  const simulate = ['scripts/simulate.ts', '--seeds', seeds, '--jobs', '1', '--brief']
  if (by === 'simulation') return simulate
  if ('source' in by) return [...simulate, '--source', by.source]
  return ['--test', '--test-reporter=tap', `--test-timeout=${testMs}`, by.unit]
}

/** A test file that could not be loaded fails under its own path. */
function patternOf(by: Check): RegExp {
  return typeof by === 'object' && 'unit' in by ? /^ *not ok \d+ - (?!.*\.test\.ts$)(.*)$/m : /^(seed \d+: .*)$/m
}

const folderOf = ({ file }: Mutant): string => (file.includes('/') ? dirname(file) : 'beside the folders')

function kindOf({ by }: Mutant): string {
  if (by === 'simulation') return by
  return 'unit' in by ? 'unit test' : `adapter's model`
}

/** By folder: how many there are, and how many each kind of check caught. */
function resultTable(survived: ReadonlySet<Mutant>, all: readonly Mutant[]): string {
  const kinds = ['simulation', "adapter's model", 'unit test']
  const row = (name: string, of: readonly Mutant[]) => {
    const caught = of.filter((mutant) => !survived.has(mutant))
    const counts = kinds.map((kind) => caught.filter((mutant) => kindOf(mutant) === kind).length)
    return [name, `${caught.length} of ${of.length}`, ...counts.map(String)]
  }
  const folders = Map.groupBy(all, folderOf)
  const rows = [
    ...[...folders].sort(([a], [b]) => a.localeCompare(b)).map(([folder, of]) => row(folder, of)),
    row('all', all),
  ]
  return table(['folder', 'caught', ...kinds], rows)
}

interface Options {
  readonly only: string
  readonly by?: 'simulation'
  readonly seeds: string
  readonly jobs: number
}

const command = () =>
  script(
    'mutants',
    'Check that the tests find faults. Each mutant (test/mutants/) is a fault that is put into a copy of the code, and the check that it names must fail.',
  )
    .option('--only <texts>', 'mutants whose name or file contains one of these texts, comma-separated', '')
    .addOption(
      new Option('--by <check>', 'use the simulation for all of them, whatever check they name').choices([
        'simulation',
      ]),
    )
    .option('--seeds <from-to>', 'histories that the simulation runs for each', '1-1500')
    .addOption(jobsOption('checks'))
    .addHelpText(
      'after',
      `
Exit status: 0 all were found, 1 some were not, 2 the command was invalid.

Example: $(bin/find-node) scripts/mutants.ts --only session/,wire/token`,
    )

async function main({ only, by, seeds, jobs }: Options): Promise<number> {
  const texts = only.split(',')
  const all = mutants
    .filter(({ name, file }) => texts.some((text) => name.includes(text) || file.includes(text)))
    .map((mutant): Mutant => (by === undefined ? mutant : { ...mutant, by }))
  if (all.length === 0) throw new CannotRun(`--only: no mutant has ${only} in its name or file`)
  const waiting = [...all]
  const survived = new Set<Mutant>()
  const worker = async () => {
    const copy = new Copy()
    const remove = () => copy.remove()
    process.once('exit', remove)
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const { caught, said } = await copy.judge(mutant, mutant.seeds ?? seeds)
      if (!caught) survived.add(mutant)
      console.log(`${caught ? 'caught  ' : 'SURVIVED'}  ${mutant.file.padEnd(36)} ${mutant.name.padEnd(70)} ${said}`)
    }
    process.off('exit', remove)
    remove()
  }
  endsAtCtrlC()
  await Promise.all(Array.from({ length: Math.min(jobs, all.length) }, worker))
  console.log(`\n${resultTable(survived, all)}`)
  for (const { name, file } of survived) console.log(`nothing caught: ${file}: ${name}`)
  return survived.size > 0 ? exitCodes.failed : exitCodes.ok
}

await runScript(command(), main)
