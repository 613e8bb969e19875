import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Mutant, mutants } from '../test/simulation/mutants.ts'

/**
 * Shows that the simulation has teeth: each mutant is a change of the real code in a copy of it, and some history has to notice.
 *
 *     node scripts/mutants.ts [--seeds 1-1500] [--jobs N] [--only TEXT]
 */

const root = fileURLToPath(new URL('..', import.meta.url))

interface Verdict {
  readonly caught: boolean
  /** The seed and the promise that it broke. */
  readonly by: string
}

/** A copy of what a simulation runs, with one change in it. */
function scratchCopy({ name, file, from, to }: Mutant): string {
  const path = mkdtempSync(join(tmpdir(), 'carillon-mutant-'))
  for (const part of ['src', 'test/simulation', 'scripts/simulate.ts', 'package.json']) {
    cpSync(join(root, part), join(path, part), { recursive: true })
  }
  mkdirSync(join(path, 'scripts'), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(path, 'node_modules'))
  const place = join(path, 'src', file)
  const text = readFileSync(place, 'utf8')
  if (text.split(from).length !== 2) throw new Error(`"${name}": src/${file} has to have this once: ${from}`)
  writeFileSync(
    place,
    text.replace(from, () => to),
  )
  return path
}

async function judge(mutant: Mutant, seeds: string): Promise<Verdict> {
  const path = scratchCopy(mutant)
  try {
    const flags = [
      '--disable-warning=ExperimentalWarning',
      'scripts/simulate.ts',
      '--seeds',
      seeds,
      '--source',
      mutant.source ?? 'model',
      '--jobs',
      '1',
      '--brief',
    ]
    const child = spawn(process.execPath, flags, { cwd: path, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    child.stdout.on('data', (data: Buffer) => {
      said += data.toString()
    })
    child.stderr.on('data', () => {})
    await new Promise((resolve) => child.on('exit', resolve))
    // One that does not even run would be caught by anything.
    const by = /^seed \d+: .*$/m.exec(said)?.[0]
    return { caught: by !== undefined, by: by ?? 'nothing' }
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1-1500' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      only: { type: 'string', default: '' },
    },
  })
  const left = mutants.filter(({ name }) => name.includes(values.only))
  const survived: string[] = []
  const total = left.length
  const worker = async () => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const { caught, by } = await judge(mutant, mutant.seeds ?? values.seeds)
      if (!caught) survived.push(mutant.name)
      console.log(`${caught ? 'caught  ' : 'SURVIVED'}  ${mutant.file.padEnd(26)} ${mutant.name.padEnd(66)} ${by}`)
    }
  }
  await Promise.all(Array.from({ length: Number(values.jobs) }, worker))
  console.log(`${total - survived.length} of ${total} mutants caught`)
  if (survived.length > 0) process.exitCode = 1
}

await main()
