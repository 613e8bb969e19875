import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Command, InvalidArgumentError, Option } from 'commander'
import { CarillonError } from '../base/errors.ts'
import { positionText } from '../base/position-text.ts'
import { printable } from '../base/printable.ts'
import { validateSubject } from '../subject/subject.ts'
import { eventFromJson } from '../wire/event-json.ts'
import { type Event, makeEvent, type Published, publishedAt } from '../wire/frames.ts'
import { Batches, type Send } from './batches.ts'
import { endSoon, exitCodes } from './exit.ts'
import { gatewayOption, wholeNumber } from './gateway-url.ts'
import { splitLines } from './lines.ts'
import { configOf, isOfBroker, withConfig } from './options.ts'
import { payloadOf } from './payload.ts'
import { type Target, targetOf } from './publish-target.ts'
import { subjectHint } from './subject-hints.ts'
import { jsonLine } from './text.ts'
import type { EventTrace } from './trace.ts'

interface Given {
  jsonLines?: boolean
  trace?: boolean
  json?: boolean
  type?: string
  contentType?: string
  text?: boolean
  raw?: boolean
  id?: string
  ttl?: number
  collapseKey?: string
  attribute?: Record<string, string>
  gateway: string
  broker?: string
}

/** Time after which progress is shown, ms. */
const patienceMs = 2000

export function command(): Command {
  const publish = new Command('carillon publish')
    .description(
      'Publish one event, or one event for each line of stdin. Prints the position of each event once the broker has it.',
    )
    .argument('[subject]', 'the subject; omit it with --json-lines')
    .argument(
      '[data]',
      'the payload: JSON if it parses, otherwise text. @FILE: the content of the file; @-: all of stdin; @@: a literal @; omitted: each line of stdin',
    )
    .option('--json-lines', 'each line of stdin is a whole event: {"subject": …, "data": …}')
    .option('--json', 'print one {after, stream, partition, offset} per line')
    .option('--type <type>', 'the event type')
    .addOption(
      new Option('--content-type <type>', 'the media type; by default guessed from the payload').conflicts([
        'text',
        'raw',
      ]),
    )
    .addOption(new Option('--text', 'the payload is text, even if it looks like JSON').conflicts('raw'))
    .option('--raw', 'the payload is bytes (application/octet-stream)')
    .option('--id <id>', 'the event id, for one event; default: a UUID')
    .option('--ttl <ms>', 'time to live: do not deliver the event later than this', wholeNumber)
    .option('--collapse-key <key>', 'clients that catch up get only the newest event with this key')
    .option('--attribute <name=value>', 'an attribute; may be repeated', attribute)
    .option('--trace', 'trace the event and print the trace id; for one event')
    .addOption(gatewayOption('publish through this gateway'))
  withConfig(publish, isOfBroker)
  publish.addHelpText(
    'after',
    `
Without --broker, events are published through the gateway. If its listener is reachable from outside, where publishing over HTTP is closed, the
command uses the socket beside its embedded log. With --broker, events are published directly to the broker, by the routes of the configuration.
If a gateway has that embedded log open, they are published through it.

Examples:
  carillon publish alarm.zone7.door '{"open":true}'
  tail -f events.txt | carillon publish alarm.zone7.log
  carillon publish --raw camera.zone7 @picture.jpg
  carillon publish --broker kafka://127.0.0.1:9092 alarm.zone7.door open`,
  )
  return publish.action(async (subject: string | undefined, data: string | undefined) => {
    const given = publish.opts<Given>()
    const events = eventsOf(subject, data, given)
    const trace = given.trace ? await traceOf(publish, given) : undefined
    const target = await targetOf(publish, given)
    try {
      const report = new Report({ json: given.json === true, many: data === undefined, traceId: trace?.traceId })
      await publishAll(events, sender(target, trace), report)
    } finally {
      await trace?.close()
      await target.close()
      if (trace !== undefined) endSoon()
    }
  })
}

function attribute(text: string, all: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('expected NAME=VALUE')
  return { ...all, [text.slice(0, at)]: text.slice(at + 1) }
}

/** Returns the events of the command line. Throws for mistakes before anything is read or sent. */
function eventsOf(subject: string | undefined, data: string | undefined, given: Given): AsyncIterable<Event> {
  const mistake = (text: string) => new CarillonError('bad_request', `${text}: see carillon publish --help`)
  if (given.jsonLines) {
    if (given.trace) throw mistake('expected --trace for one event only, got it for the lines of stdin')
    if (subject !== undefined) throw mistake(`expected no subject with --json-lines, got "${subject}"`)
    return fromJsonLines()
  }
  if (subject === undefined) throw mistake('expected a subject, or --json-lines')
  validateSubject(subject)
  const hint = subjectHint(subject)
  if (hint !== undefined) console.error(`-- ${printable(hint)}`)
  if (data !== undefined) return fromArgument(subject, data, given)
  if (given.trace) throw mistake('expected --trace for one event only, got it for the lines of stdin')
  if (given.id !== undefined) throw mistake('expected --id for one event only, got it for the lines of stdin')
  return fromLines(subject, given)
}

async function* fromArgument(subject: string, data: string, given: Given): AsyncGenerator<Event> {
  yield eventWith(subject, await payloadOf(data, process.stdin), given)
}

async function* fromLines(subject: string, given: Given): AsyncGenerator<Event> {
  for await (const line of stdinLines()) yield eventWith(subject, line, given)
}

async function* fromJsonLines(): AsyncGenerator<Event> {
  let number = 0
  for await (const line of stdinLines()) {
    number++
    const text = Buffer.from(line).toString()
    if (text.trim() !== '') yield complete(fromJsonLine(text, number))
  }
}

function stdinLines(): AsyncGenerator<Uint8Array> {
  if (process.stdin.isTTY) console.error('-- reading events from the terminal, one per line; Ctrl-D ends')
  return splitLines(process.stdin)
}

function fromJsonLine(line: string, number: number): Event {
  try {
    return eventFromJson(JSON.parse(line), line)
  } catch (error) {
    const code = error instanceof CarillonError ? error.code : 'bad_event'
    throw new CarillonError(code, `line ${number}: ${(error as Error).message}`)
  }
}

function eventWith(subject: string, data: Uint8Array, given: Given): Event {
  return complete(
    makeEvent({
      subject,
      data,
      contentType: given.contentType ?? contentTypeOf(data, given),
      id: given.id ?? '',
      type: given.type ?? '',
      ttlMs: given.ttl ?? 0,
      collapseKey: given.collapseKey ?? '',
      attributes: given.attribute ?? {},
    }),
  )
}

function contentTypeOf(data: Uint8Array, { text, raw }: Given): string {
  if (text && !isUtf8(data)) {
    throw new CarillonError('bad_event', '--text: expected UTF-8, got other bytes: publish them with --raw')
  }
  if (raw || !isUtf8(data)) return 'application/octet-stream'
  return !text && isJson(data) ? 'application/json' : 'text/plain'
}

function isJson(data: Uint8Array): boolean {
  try {
    JSON.parse(Buffer.from(data).toString())
    return true
  } catch {
    return false
  }
}

/**
 * Adds a missing id and publishing time. They are the publisher's, not the gateway's, so that
 * retries keep the id and the latency includes the way to the gateway.
 */
function complete(event: Event): Event {
  return { ...event, id: event.id || randomUUID(), publishedAtUs: publishedAt(event, Date.now() * 1000) }
}

/**
 * Publishes until the events end, one fails, or Ctrl-C. It then reads no more events, and finishes
 * and prints those in progress.
 */
async function publishAll(events: AsyncIterable<Event>, send: Send, report: Report): Promise<void> {
  const stop = Promise.withResolvers<'stopped'>()
  const batches = new Batches(
    async (batch) => {
      try {
        return await send(batch)
      } catch (error) {
        stop.resolve('stopped')
        throw error
      }
    },
    async (results) => {
      await report.published(results)
    },
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.exitCode = exitCodes.interrupted
      stop.resolve('stopped')
    })
  }
  const reader = events[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await Promise.race([reader.next(), stop.promise])
      if (next === 'stopped' || next.done) break
      await batches.add(next.value)
    }
    await batches.end()
  } finally {
    // A stdin that stays open (`tail -f`) must not keep the process alive.
    process.stdin.destroy()
    report.end()
  }
}

interface ReportOptions {
  readonly json: boolean
  /** True if events are read from stdin. */
  readonly many: boolean
  readonly traceId: string | undefined
}

/** Prints one line per event, and for events from stdin, progress and the total. */
class Report {
  readonly #startedMs = performance.now()
  readonly #json: boolean
  readonly #many: boolean
  readonly #traceId: string | undefined
  #count = 0
  #shown = false

  constructor({ json, many, traceId }: ReportOptions) {
    this.#json = json
    this.#many = many
    this.#traceId = traceId
  }

  async published(results: readonly Published[]): Promise<void> {
    const lines = results.map(({ after, stream, partition, offset }) => {
      const traceId = this.#traceId
      if (this.#json) return `${jsonLine({ after, stream, partition, offset, traceId })}\n`
      const trace = traceId === undefined ? '' : ` trace ${traceId}`
      return `${printable(`${stream} ${positionText(partition, offset)} ${after}${trace}`)}\n`
    })
    this.#count += results.length
    this.#showProgress()
    if (!process.stdout.write(lines.join(''))) await once(process.stdout, 'drain')
  }

  #showProgress(): void {
    // If the lines go to the same terminal, they already show the progress.
    if (!process.stderr.isTTY || process.stdout.isTTY || performance.now() - this.#startedMs < patienceMs) return
    this.#shown = true
    process.stderr.write(`\r-- ${this.#count} published`)
  }

  end(): void {
    if (this.#shown) process.stderr.write('\r')
    if (this.#many && !this.#json) console.error(`-- ${this.#count} published`)
  }
}

async function traceOf(command: Command, given: Given): Promise<EventTrace> {
  const { beginTrace } = await import('./trace.ts')
  return beginTrace(given.broker === undefined ? { gateway: given.gateway } : { broker: configOf(command).config })
}

/** Returns the target's `send`, which also ends the trace of the one event. */
function sender(target: Target, trace: EventTrace | undefined): Send {
  if (trace === undefined) return target.send
  return async (batch) => {
    try {
      const results = await target.send(batch, trace.traceparent)
      trace.acknowledged(results)
      return results
    } catch (error) {
      trace.failed(error)
      throw error
    }
  }
}
