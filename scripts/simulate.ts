import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { InvalidArgumentError, Option } from 'commander'
import { exitCodes, jobsOption, runScript, script, whole } from '../test/command/command.ts'
import { excuseNames } from '../test/simulation/excuses.ts'
import { failedSeeds } from '../test/simulation/failed-seeds.ts'
import { freshSeeds } from '../test/simulation/fresh-seeds.ts'
import { type Outcome, run } from '../test/simulation/history.ts'
import { makePlan } from '../test/simulation/plan.ts'
import { shrink } from '../test/simulation/shrink.ts'
import { type SourceKind, sourceKinds } from '../test/simulation/simulated-source.ts'
import { storiesDigest, storyHash } from '../test/simulation/story-digest.ts'
import type { Failure } from '../test/simulation/verdict.ts'

interface Histories {
  readonly isLarge: boolean
  readonly source: SourceKind
}

interface Share extends Histories {
  readonly seeds: readonly number[]
  /** Their stories are hashed. */
  readonly digests: boolean
  readonly countsExcuses: boolean
}

interface Done {
  readonly seed: number
  readonly failure: Failure | undefined
  readonly delivered: number
  readonly tasks: number
  /** Of its story, where that is asked for. */
  readonly hash: string | undefined
  readonly excuses: Outcome['excuses']
}

const root = fileURLToPath(new URL('..', import.meta.url))
const progressMs = 2000

const planOf = (seed: number, { isLarge, source }: Histories) => makePlan(seed, isLarge ? 'large' : 'small', source)

async function work({ seeds, digests, countsExcuses, ...histories }: Share, tell: (done: Done) => void): Promise<void> {
  for (const seed of seeds) {
    const { failure, delivered, tasks, trace, excuses } = await run(planOf(seed, histories), {
      trace: digests,
      excuses: countsExcuses,
    })
    tell({ seed, failure, delivered, tasks, hash: digests ? storyHash(trace) : undefined, excuses })
    if (failure !== undefined) return
  }
}

/** Resolves with the first failure, or with none once all seeds are through. */
async function campaign({ seeds, ...share }: Share, jobs: number): Promise<Done | undefined> {
  const started = performance.now()
  const sum = { histories: 0, delivered: 0, tasks: 0 }
  const excused = new Map<string, Needed>()
  const failed: Done[] = []
  const hashes = new Map<number, string>()
  const line = () => {
    const perSecond = sum.histories / ((performance.now() - started) / 1000)
    return `${sum.histories} of ${seeds.length} histories, ${perSecond.toFixed(1)} a second, ${sum.delivered} events handed over`
  }
  // Nobody watches a file or a pipe meanwhile.
  const progress = process.stderr.isTTY ? setInterval(() => console.error(line()), progressMs) : undefined
  const workers = Array.from({ length: jobs }, (_, i) => {
    const own: Share = { ...share, seeds: seeds.filter((_, at) => at % jobs === i) }
    const worker = new Worker(new URL(import.meta.url), { workerData: own })
    worker.on('message', (done: Done) => {
      sum.histories++
      sum.delivered += done.delivered
      sum.tasks += done.tasks
      if (done.hash !== undefined) hashes.set(done.seed, done.hash)
      for (const [name, records] of Object.entries(done.excuses)) {
        const { records: before, seeds } = excused.get(name) ?? { records: 0, seeds: [] }
        excused.set(name, { records: before + records, seeds: [...seeds, done.seed] })
      }
      if (done.failure === undefined) return
      failed.push(done)
      for (const each of workers) void each.terminate()
    })
    return worker
  })
  await Promise.all(
    workers.map((worker) => new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject))),
  )
  clearInterval(progress)
  console.log(line())
  const digest = share.digests ? storiesDigest(seeds, hashes) : undefined
  if (digest !== undefined) console.log(`digest of the stories: ${digest}`)
  if (share.countsExcuses) console.log(excuseTable(excused))
  return failed.sort((a, b) => a.seed - b.seed)[0]
}

/** By subscription and record, how often an excuse was the only one, and where. */
interface Needed {
  readonly records: number
  readonly seeds: readonly number[]
}

function excuseTable(needed: ReadonlyMap<string, Needed>): string {
  const rows = excuseNames.map((name) => {
    const { records, seeds } = needed.get(name) ?? { records: 0, seeds: [] }
    const where = seeds.toSorted((a, b) => a - b).slice(0, 5)
    return `${name.padEnd(42)} ${String(records).padStart(8)} ${String(seeds.length).padStart(10)}  ${where.join(' ')}`
  })
  return [`${'only reason'.padEnd(42)}  records  histories  the first`, ...rows].join('\n')
}

/** Replays a seed; tells its story where it fails, or where that is asked for. */
async function replay(seed: number, histories: Histories, story: boolean): Promise<boolean> {
  const plan = planOf(seed, histories)
  const whole = await run(plan, { trace: story })
  if (story) console.log(whole.trace.join('\n'))
  if (whole.failure === undefined) {
    console.log(`seed ${seed} keeps every promise: ${whole.delivered} events handed over`)
    return true
  }
  const { promise, message } = whole.failure
  console.log(`seed ${seed} breaks a promise: ${promise}\n  ${message}`)
  console.log(`replay it: $(bin/find-node) scripts/simulate.ts --seed ${seed}${flagsOf(histories)} --story`)
  const least = await shrink(plan, promise)
  const { trace, failure } = await run(least, { trace: true })
  const { clients, actions, subjects, streams } = least
  console.log(
    `the least that breaks it: ${clients.length} clients, ${actions.length} actions, ${streams.map(({ name, partitions }) => `${name} of ${partitions}`).join(', ')}`,
  )
  for (const { ways, wishes } of clients) {
    console.log(
      `  ${ways.join(', ')}: ${wishes.map(({ subject, after, last, policy }) => `${subject} ${after.join(' ')} ${last ?? ''} ${policy ?? ''}`).join(', ')}`,
    )
  }
  console.log(`  subjects ${subjects.join(', ')}`)
  console.log(trace.slice(-200).join('\n'))
  if (failure !== undefined) console.log(failure.message)
  return false
}

function flagsOf({ isLarge, source }: Histories): string {
  return `${source === 'model' ? '' : ` --source ${source}`}${isLarge ? ' --large' : ''}`
}

function range(text: string): readonly [number, number] {
  const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? []
  if (from !== undefined && Number(from) <= Number(to)) return [Number(from), Number(to)]
  throw new InvalidArgumentError(`expected a number or a range such as 1-2000, got ${JSON.stringify(text)}`)
}

const seedsOf = ([from, to]: readonly [number, number]): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** Those that are drawn; says which, so that anybody can run them again. */
function drawn(count: number): number[] {
  const fresh = count > 0 ? freshSeeds(root, count) : undefined
  if (fresh !== undefined) console.log(`fresh seeds: ${fresh.join('-')}`)
  else if (count > 0) console.log('fresh seeds: none, because git does not know this folder')
  return fresh === undefined ? [] : seedsOf(fresh)
}

interface Options {
  readonly seeds?: readonly [number, number]
  readonly fresh: number
  readonly failed?: boolean
  readonly seed?: number
  readonly source: SourceKind
  readonly large?: boolean
  readonly story?: boolean
  readonly brief?: boolean
  readonly digest?: boolean
  readonly excuses?: boolean
  readonly jobs: number
}

const kinds = Object.keys(sourceKinds) as SourceKind[]

const command = () =>
  script(
    'simulate',
    'Simulate histories of a whole cluster on virtual time, each from a seed, and check them against the promises.',
  )
    .option('--seeds <from-to>', 'the seeds to run (default: 1-2000, unless --fresh is given)', range)
    .option(
      '--fresh <count>',
      'run this number of additional seeds, which are derived from the contents of src and test',
      whole(0),
      0,
    )
    .option('--failed', 'also the seeds of that source that broke a promise once (test/simulation/failed-seeds.ts)')
    .option('--seed <number>', 'run one seed; a failure is reduced to the smallest plan that shows it', whole(0))
    .option('--story', 'with --seed: everything that happens')
    .addOption(new Option('--source <name>', 'broker behind the gateways').choices(kinds).default('model'))
    .option('--large', 'more gateways and clients, longer histories')
    .addOption(jobsOption('threads'))
    .option('--brief', 'print only the seed and the promise of a failure')
    .option('--digest', 'print one hash over all stories; it stays the same if behaviour stays the same')
    .option(
      '--excuses',
      'print how often each excuse (test/simulation/excuses.ts) was the only reason why a record counted as reported',
    )
    .addHelpText(
      'after',
      `
Exit status: 0 every promise was kept, 1 one was broken, 2 the command was invalid.

Examples:
  $(bin/find-node) scripts/simulate.ts --seeds 1-2000 --failed --fresh 1000
  $(bin/find-node) scripts/simulate.ts --seed 17 --story`,
    )

async function main(options: Options): Promise<number> {
  const { story = false, large = false, digest = false, excuses = false, source, jobs } = options
  const histories = { isLarge: large, source }
  if (options.seed !== undefined)
    return (await replay(options.seed, histories, story)) ? exitCodes.ok : exitCodes.failed
  const fresh = drawn(options.fresh)
  const fixed = options.seeds ?? (options.fresh === 0 ? ([1, 2000] as const) : undefined)
  const failedOnce = options.failed ? failedSeeds[source].map(([seed]) => seed) : []
  const seeds = [...(fixed === undefined ? [] : seedsOf(fixed)), ...failedOnce, ...fresh]
  const share = { seeds, digests: digest, countsExcuses: excuses, ...histories }
  const failed = await campaign(share, Math.min(jobs, seeds.length))
  if (failed === undefined) {
    console.log(`${source}: ${seeds.length} histories, every promise kept`)
    return exitCodes.ok
  }
  if (options.brief) console.log(`seed ${failed.seed}: ${failed.failure?.promise}`)
  else await replay(failed.seed, histories, story)
  return exitCodes.failed
}

if (isMainThread) await runScript(command(), main)
else await work(workerData as Share, (done) => parentPort!.postMessage(done))
