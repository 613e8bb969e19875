import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { failedSeeds } from '../test/simulation/failed-seeds.ts'
import { run } from '../test/simulation/history.ts'
import { makePlan } from '../test/simulation/plan.ts'
import { shrink } from '../test/simulation/shrink.ts'
import { type SourceKind, sourceKinds } from '../test/simulation/simulated-source.ts'
import { storiesDigest, storyHash } from '../test/simulation/story-digest.ts'
import type { Failure } from '../test/simulation/verdict.ts'
import { freshSeeds } from './fresh-seeds.ts'

/**
 * Histories of a whole cluster on virtual time, each from a seed, each held against the promises:
 *
 *     node scripts/simulate.ts --seeds 1-2000 [--failed] [--fresh 1000] [--source NAME] [--large] [--jobs N] [--brief]
 *     node scripts/simulate.ts --fresh 1000
 *     node scripts/simulate.ts --seeds 1-500 --digest
 *     node scripts/simulate.ts --seed 17 [--source NAME] [--large] [--story]
 *
 * `--fresh N` draws N seeds from what `src` and `test` contain (see fresh-seeds.ts). `--source NAME`
 * is one of test/simulation/clusters.ts: what stands behind the gateways' broker contract. `--failed` adds the seeds that broke a
 * promise once (test/simulation/failed-seeds.ts). `--digest` prints one hash over all stories: a change that is to change nothing leaves it
 * as it was.
 */

interface Histories {
  readonly isLarge: boolean
  readonly source: SourceKind
}

interface Share extends Histories {
  readonly seeds: readonly number[]
  /** Their stories are hashed. */
  readonly digests: boolean
}

interface Done {
  readonly seed: number
  readonly failure: Failure | undefined
  readonly delivered: number
  readonly tasks: number
  /** Of its story, where that is asked for. */
  readonly hash: string | undefined
}

const root = fileURLToPath(new URL('..', import.meta.url))
const progressMs = 2000

const planOf = (seed: number, { isLarge, source }: Histories) => makePlan(seed, isLarge ? 'large' : 'small', source)

async function work({ seeds, digests, ...histories }: Share, tell: (done: Done) => void): Promise<void> {
  for (const seed of seeds) {
    const { failure, delivered, tasks, trace } = await run(planOf(seed, histories), digests)
    tell({ seed, failure, delivered, tasks, hash: digests ? storyHash(trace) : undefined })
    if (failure !== undefined) return
  }
}

/** Resolves with the first failure, or with none once all seeds are through. */
async function campaign({ seeds, ...share }: Share, jobs: number): Promise<Done | undefined> {
  const started = performance.now()
  const sum = { histories: 0, delivered: 0, tasks: 0 }
  const failed: Done[] = []
  const hashes = new Map<number, string>()
  const line = () => {
    const perSecond = sum.histories / ((performance.now() - started) / 1000)
    return `${sum.histories} of ${seeds.length} histories, ${perSecond.toFixed(1)} a second, ${sum.delivered} events handed over`
  }
  const progress = setInterval(() => console.error(line()), progressMs)
  const workers = Array.from({ length: jobs }, (_, i) => {
    const own: Share = { ...share, seeds: seeds.filter((_, at) => at % jobs === i) }
    const worker = new Worker(new URL(import.meta.url), { workerData: own })
    worker.on('message', (done: Done) => {
      sum.histories++
      sum.delivered += done.delivered
      sum.tasks += done.tasks
      if (done.hash !== undefined) hashes.set(done.seed, done.hash)
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
  return failed.sort((a, b) => a.seed - b.seed)[0]
}

/** Replays a seed; tells its story where it fails, or where that is asked for. */
async function replay(seed: number, histories: Histories, story: boolean): Promise<boolean> {
  const plan = planOf(seed, histories)
  const whole = await run(plan, story)
  if (story) console.log(whole.trace.join('\n'))
  if (whole.failure === undefined) {
    console.log(`seed ${seed} keeps every promise: ${whole.delivered} events handed over`)
    return true
  }
  const { promise, message } = whole.failure
  console.log(`seed ${seed} breaks a promise: ${promise}\n  ${message}`)
  console.log(`replay it: node scripts/simulate.ts --seed ${seed}${flagsOf(histories)} --story`)
  const least = await shrink(plan, promise)
  const { trace, failure } = await run(least, true)
  const { clients, actions, subjects, partitions } = least
  console.log(
    `the least that breaks it: ${clients.length} clients, ${actions.length} actions, ${partitions} partitions`,
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

function sourceOf(name: string): SourceKind {
  if (Object.hasOwn(sourceKinds, name)) return name as SourceKind
  throw new Error(`--source: expected one of ${Object.keys(sourceKinds).join(', ')}, got ${name}`)
}

function range(text: string): readonly [number, number] {
  const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? []
  if (from === undefined) throw new Error(`--seeds: expected a number or a range such as 1-2000, got ${text}`)
  return [Number(from), Number(to)]
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

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      fresh: { type: 'string', default: '0' },
      failed: { type: 'boolean', default: false },
      seed: { type: 'string' },
      source: { type: 'string', default: 'model' },
      large: { type: 'boolean', default: false },
      story: { type: 'boolean', default: false },
      brief: { type: 'boolean', default: false },
      digest: { type: 'boolean', default: false },
      jobs: { type: 'string', default: String(availableParallelism()) },
    },
  })
  const { story } = values
  const histories = { isLarge: values.large, source: sourceOf(values.source) }
  if (values.seed !== undefined) {
    if (!(await replay(Number(values.seed), histories, story))) process.exitCode = 1
    return
  }
  const fresh = drawn(Number(values.fresh))
  const fixed = values.seeds ?? (fresh.length > 0 ? undefined : '1-2000')
  const failedOnce = values.failed ? failedSeeds.map(([seed]) => seed) : []
  const seeds = [...(fixed === undefined ? [] : seedsOf(range(fixed))), ...failedOnce, ...fresh]
  const failed = await campaign(
    { seeds, digests: values.digest, ...histories },
    Math.min(Number(values.jobs), seeds.length),
  )
  if (failed === undefined) return
  process.exitCode = 1
  if (values.brief) console.log(`seed ${failed.seed}: ${failed.failure?.promise}`)
  else await replay(failed.seed, histories, story)
}

if (isMainThread) await main()
else await work(workerData as Share, (done) => parentPort!.postMessage(done))
