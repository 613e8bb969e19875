import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Command, InvalidArgumentError } from 'commander'
import { CarillonError } from '../base/errors.ts'
import { validateSubject } from '../subject/subject.ts'
import { eventFromJson, eventToJson } from '../wire/event-json.ts'
import { type Event, makeEvent, type Published } from '../wire/frames.ts'
import { ask, defaultGateway, wholeNumber } from './gateway-url.ts'
import { configOf, withConfig } from './options.ts'

interface Given {
  jsonLines?: boolean
  json?: boolean
  type?: string
  contentType?: string
  id?: string
  ttl?: number
  collapseKey?: string
  attribute?: Record<string, string>
  gateway: string
  broker?: string
}

/** Events in one request, and requests that wait for an answer. */
const batchEvents = 500
const inFlight = 4
/** Progress is shown for what takes longer, ms. */
const patienceMs = 2000

export function command(): Command {
  const publish = new Command('carillon publish')
    .description('Publish one event, or each line of stdin as one; prints the position of each once the broker has it.')
    .argument('[subject]', 'the subject; not with --json-lines')
    .argument('[data]', 'the payload: JSON where it is JSON, else text; none = each line of stdin')
    .option('--json-lines', 'each line of stdin is a whole event: {"subject": …, "data": …}')
    .option('--json', 'print {after, stream, partition, offset} a line')
    .option('--type <type>', 'the event type')
    .option('--content-type <type>', 'the media type; guessed otherwise')
    .option('--id <id>', 'the event id; a UUID otherwise')
    .option('--ttl <ms>', 'not to be delivered later than this', wholeNumber)
    .option('--collapse-key <key>', 'of events with one key the newest is enough')
    .option('--attribute <name=value>', 'an attribute; may be repeated', attribute)
    .option('--gateway <url>', 'publish through this gateway', defaultGateway)
  withConfig(publish, ({ path }) => path === 'broker')
  publish.addHelpText(
    'after',
    `
With --broker the events go to the broker directly, routed as the configuration says.

Examples:
  carillon publish alarm.zone7.door '{"open":true}'
  tail -f events.txt | carillon publish alarm.zone7.log
  carillon publish --broker kafka://127.0.0.1:9092 alarm.zone7.door open`,
  )
  return publish.action(async (subject: string | undefined, data: string | undefined) => {
    const given = publish.opts<Given>()
    const { send, close } = given.broker === undefined ? throughGateway(given.gateway) : await throughBroker(publish)
    try {
      await publishAll(events(subject, data, given), send, given)
    } finally {
      await close()
    }
  })
}

type Send = (events: readonly Event[]) => Promise<readonly Published[]>

function attribute(text: string, all: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('expected NAME=VALUE')
  return { ...all, [text.slice(0, at)]: text.slice(at + 1) }
}

async function* events(subject: string | undefined, data: string | undefined, given: Given): AsyncGenerator<Event> {
  if (given.jsonLines) {
    let number = 0
    for await (const line of lines()) {
      number++
      if (line.trim() !== '') yield complete(fromLine(line, number))
    }
    return
  }
  if (subject === undefined)
    throw new CarillonError('bad_request', 'expected a subject, or --json-lines: see carillon publish --help')
  validateSubject(subject)
  if (data !== undefined) yield complete(fromText(subject, data, given))
  else for await (const line of lines()) yield complete(fromText(subject, line, given))
}

function lines(): AsyncIterable<string> {
  if (process.stdin.isTTY) console.error('carillon: reading events from the terminal, a line each; Ctrl-D ends')
  return createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })
}

function fromLine(line: string, number: number): Event {
  try {
    return eventFromJson(JSON.parse(line))
  } catch (error) {
    const code = error instanceof CarillonError ? error.code : 'bad_event'
    throw new CarillonError(code, `line ${number}: ${(error as Error).message}`)
  }
}

function fromText(subject: string, text: string, given: Given): Event {
  return makeEvent({
    subject,
    data: Buffer.from(text),
    contentType: given.contentType ?? (isJson(text) ? 'application/json' : 'text/plain'),
    id: given.id ?? '',
    type: given.type ?? '',
    ttlMs: given.ttl ?? 0,
    collapseKey: given.collapseKey ?? '',
    attributes: given.attribute ?? {},
  })
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function complete(event: Event): Event {
  return { ...event, id: event.id || randomUUID(), publishedAtUs: event.publishedAtUs || Date.now() * 1000 }
}

/** Batches in order: several are under way, and are printed in the order in which they were read. */
async function publishAll(source: AsyncGenerator<Event>, send: Send, given: Given): Promise<void> {
  const progress = new Progress()
  const waiting: Promise<readonly Published[]>[] = []
  let batch: Event[] = []
  const flush = async (most: number) => {
    while (waiting.length > most) progress.count(print(await waiting.shift()!, given))
  }
  const start = () => {
    const sent = send(batch)
    // Awaited in its turn; until then its failure is nobody's surprise.
    sent.catch(() => {})
    waiting.push(sent)
    batch = []
  }
  let timer: NodeJS.Timeout | undefined
  try {
    for await (const event of source) {
      batch.push(event)
      clearTimeout(timer)
      if (batch.length < batchEvents) {
        // A slow stdin (`tail -f`) is not kept waiting for a full batch.
        timer = setTimeout(() => batch.length > 0 && start(), 5)
        continue
      }
      start()
      await flush(inFlight - 1)
    }
    clearTimeout(timer)
    if (batch.length > 0) start()
    await flush(0)
  } finally {
    clearTimeout(timer)
    progress.end()
  }
}

function print(results: readonly Published[], given: Given): number {
  for (const each of results) {
    const { after, stream, partition, offset } = each
    console.log(given.json ? JSON.stringify(each) : `${stream} [${partition}@${offset}] ${after}`)
  }
  return results.length
}

/** How many were published so far, on a terminal, where it takes long. */
class Progress {
  readonly #startedMs = performance.now()
  #published = 0
  #shown = false

  count(more: number): void {
    this.#published += more
    if (!process.stderr.isTTY || performance.now() - this.#startedMs < patienceMs) return
    this.#shown = true
    process.stderr.write(`\r-- ${this.#published} published`)
  }

  end(): void {
    if (this.#shown) process.stderr.write('\n')
  }
}

function throughGateway(gateway: string): { send: Send; close: () => Promise<void> } {
  return {
    close: () => Promise.resolve(),
    async send(batch) {
      const response = await ask(`${gateway}/v1/publish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: `{"events":[${batch.map(eventToJson).join(',')}]}`,
      })
      return ((await response.json()) as { results: Published[] }).results
    },
  }
}

async function throughBroker(command: Command): Promise<{ send: Send; close: () => Promise<void> }> {
  const { config } = configOf(command)
  const { openPublisher } = await import('./broker.ts')
  return openPublisher(config)
}
