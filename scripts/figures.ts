/**
 * Measures the gateway on this host: `$(bin/find-node) scripts/figures.ts --help`. docs/figures.md says what the figures mean. Exit status: 1
 * where something was lost or repeated, 2 where it could not be measured.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { maxConnections } from '../src/bench/process/host.ts'
import { endsAtCtrlC, exitCodes, progress, runScript } from '../test/command/command.ts'
import { measure, type Run, type Transport } from '../test/figures/delivery.ts'
import { measureFirstMessage } from '../test/figures/first-message.ts'
import { measureIdle } from '../test/figures/idle.ts'
import { command, type Options, type Part } from '../test/figures/options.ts'
import { costRow, faults, intakeRow, intakeUs, latencyRow, type Outcome } from '../test/figures/rows.ts'
import { type BrokerKind, brokerKinds, Site } from '../test/figures/site.ts'
import { type Results, type Row, resultText, type Table } from '../test/figures/table.ts'

/** Events a second of the runs; unicast's is also that of the intake that is taken off its CPU. */
const rates = { unicast: 5000, broadcast: 10, poll: 2, intake: 20_000 } as const
const docsFile = new URL('../docs/figures.md', import.meta.url)
const docsHeading = '\n## Results\n'

/** The measurements in their order, and what they found wrong. */
class Figures implements Results {
  readonly tables: Table[] = []
  readonly problems: string[] = []
  readonly #site: Site
  readonly #options: Options
  readonly #broker: BrokerKind

  constructor(site: Site, options: Options) {
    this.#site = site
    this.#options = options
    this.#broker = options.broker ?? (site.lacks('kafka') === undefined ? 'kafka' : 'embedded')
  }

  async run(): Promise<void> {
    const wanted = (part: Part) => this.#options.only.includes(part)
    if (wanted('first')) await this.#first()
    if (wanted('intake')) await this.#intake()
    if (wanted('unicast')) await this.#unicast()
    if (wanted('broadcast')) await this.#broadcast()
    if (wanted('idle')) await this.#idle()
  }

  async #first(): Promise<void> {
    progress('time to the first message ...')
    const note = 'From the start of the process, with an empty embedded log; median of three.'
    this.tables.push({ title: 'Time to the first message', note, rows: [await measureFirstMessage(this.#site)] })
  }

  async #intake(): Promise<void> {
    const rows: Row[] = []
    for (const broker of brokerKinds) {
      const lacking = this.#site.lacks(broker)
      if (lacking === undefined) rows.push(intakeRow(await this.#measure(this.#intakeRun(broker, rates.intake))))
      else progress(`intake from ${broker} skipped: ${lacking}`)
    }
    const note =
      'Events with 512 bytes of data and no subscribers. With `embedded`, they arrive by POST /v1/publish, so the gateway also handles the ' +
      'requests and writes its log; with `kafka` and `nats` it only reads.'
    this.tables.push({ title: 'Intake alone', note, rows })
  }

  async #unicast(): Promise<void> {
    const { clients } = this.#options
    const { measured } = await this.#measure(this.#intakeRun(this.#broker, rates.unicast))
    const intake = intakeUs(measured)
    const runs: Outcome[] = []
    for (const count of new Set([Math.round(clients / 5), clients])) {
      for (const transport of ['ws-proto', 'ws-json'] as const) {
        runs.push(
          await this.#measure(
            this.#run('unicast', transport, { clients: count, subjects: count, rate: rates.unicast }),
          ),
        )
      }
    }
    const what = `Broker: ${this.#broker}. Each client has its own subject; 512 bytes of data.`
    const taken = `${intake.toFixed(1)} µs an event, measured at the same rate`
    const note = `${what} \`less intake\`: without the cost of reading an event that has no subscribers, ${taken}.`
    this.#delivered('Unicast', note, runs, intake)
  }

  async #broadcast(): Promise<void> {
    const count = Math.round(this.#options.clients / 5)
    const run = (transport: Transport, rate: number) =>
      this.#run('broadcast', transport, { clients: count, subjects: 1, rate })
    const { broadcast, poll } = rates
    const runs: Outcome[] = []
    for (const each of [
      run('ws-proto', broadcast),
      run('ws-json', broadcast),
      run('sse', broadcast),
      run('poll', poll),
    ]) {
      runs.push(await this.#measure(each))
    }
    const note = `Broker: ${this.#broker}. All clients have one subject; 512 bytes of data.`
    this.#delivered('Broadcast', note, runs, undefined)
  }

  #delivered(title: string, note: string, runs: readonly Outcome[], intake: number | undefined): void {
    const cost = runs.map((outcome) => costRow(outcome, intake))
    const shares = "CPU of the gateway's process, all threads; the shares are of one core."
    const legs =
      '`received`: from the time at which the event was due to be published to its arrival in the client, including `late`: how far the publisher ' +
      "was behind its schedule. `written`: from the same time to the gateway's write, from the gateway's histogram, as its bucket's bound."
    this.tables.push({ title: `${title}: CPU`, note: `${note} ${shares}`, rows: cost })
    this.tables.push({ title: `${title}: latency`, note: legs, rows: runs.map(latencyRow) })
  }

  async #idle(): Promise<void> {
    const connections = Math.min(this.#options.clients * 2, maxConnections())
    const rows: Row[] = []
    for (const transport of ['ws-proto', 'sse'] as const) {
      progress(`${connections.toLocaleString('en')} idle ${transport} ...`)
      rows.push(await measureIdle(this.#site, transport, connections))
    }
    const note =
      'Each connection has one subscription, to its own subject. Bytes per connection beyond the first tenth, after full garbage collections; ' +
      'resident: the process, including its JavaScript heap. The kernel keeps two sockets for each connection here, because the client is on ' +
      'this host too.'
    this.tables.push({ title: 'Idle connections', note, rows })
  }

  #run(kind: string, transport: Transport, load: Pick<Run, 'clients' | 'subjects' | 'rate'>): Run {
    const name = `${kind} ${transport}, ${load.clients.toLocaleString('en')}`
    return { name, broker: this.#broker, transport, ...load, seconds: this.#options.seconds }
  }

  #intakeRun(broker: BrokerKind, rate: number): Run {
    const { clients, seconds } = this.#options
    const name = `intake ${broker}, ${rate.toLocaleString('en')}`
    return { name, broker, transport: undefined, clients: 0, subjects: clients, rate, seconds }
  }

  async #measure(run: Run): Promise<Outcome> {
    progress(`${run.name} at ${run.rate.toLocaleString('en')} events/s ...`)
    const outcome = { run, measured: await measure(this.#site, run) }
    this.problems.push(...faults(outcome))
    return outcome
  }
}

function print(results: Results, { docs, json, markdown }: Options): void {
  const text = resultText(results, json && !docs ? 'json' : docs || markdown ? 'markdown' : 'text')
  if (docs) intoDocs(text)
  else process.stdout.write(text)
  for (const problem of results.problems) progress(`broken promise: ${problem}`)
}

/** Replaces everything below the heading. */
function intoDocs(text: string): void {
  const docs = readFileSync(docsFile, 'utf8')
  const end = docs.indexOf(docsHeading) + docsHeading.length
  if (end < docsHeading.length)
    throw new Error(`docs/figures.md: expected the heading "${docsHeading.trim()}", got none`)
  const day = new Date().toISOString().slice(0, 10)
  writeFileSync(docsFile, `${docs.slice(0, end)}\n${day}, \`${commandLine()}\`, on ${text}`)
}

function commandLine(): string {
  const options = process.argv.slice(2).filter((option) => option !== '--docs')
  return ['make figures', ...(options.length === 0 ? [] : [`with ${options.join(' ')}`])].join(' ')
}

async function main(options: Options): Promise<number> {
  if (options.profile !== undefined) mkdirSync(options.profile, { recursive: true })
  const site = new Site(options.profile)
  const figures = new Figures(site, options)
  try {
    await figures.run()
  } finally {
    await site.close()
  }
  print(figures, options)
  return figures.problems.length > 0 ? exitCodes.failed : exitCodes.ok
}

endsAtCtrlC()
await runScript(command(), main)
