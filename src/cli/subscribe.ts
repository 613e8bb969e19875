import { Command, InvalidArgumentError, Option } from 'commander'
import { Follower, type TransportName } from '../client/follow.ts'
import { validatePattern } from '../subject/subject.ts'
import { eventToJson } from '../wire/event-json.ts'
import type { Delivery, Gap } from '../wire/frames.ts'
import { parseAfter } from '../wire/token.ts'
import { exitCodes } from './exit.ts'
import { defaultGateway, wholeNumber } from './gateway-url.ts'
import { printable, time } from './text.ts'

interface Given {
  transport: 'ws' | 'sse' | 'poll'
  proto?: boolean
  json?: boolean
  after?: string[]
  count?: number
  timeout?: number
  gateway: string
}

export function command(): Command {
  const subscribe = new Command('carillon subscribe')
    .description('Show the events of subjects and patterns as they come, over reconnects, until Ctrl-C.')
    .argument('<subject...>', 'subjects or patterns: * matches one token, a final > one or more')
    .addOption(new Option('--transport <name>', 'how').choices(['ws', 'sse', 'poll']).default('ws'))
    .option('--proto', 'protobuf frames on the WebSocket')
    .option('--json', 'one JSON document a line')
    .option('--after <where...>', 'start behind a TOKEN (several are merged), at earliest, latest or @TIME (RFC 3339)')
    .option('--count <n>', 'end after so many events', wholeNumber)
    .option('--timeout <seconds>', 'end after so long, with exit code 1 when --count was not reached', seconds)
    .option('--gateway <url>', 'where the gateway is', defaultGateway)
  subscribe.addHelpText('after', "\nExample:\n  carillon subscribe 'alarm.>' --after earliest --json")
  return subscribe.action((subjects: string[]) => follow(subjects, subscribe.opts<Given>()))
}

function seconds(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('expected seconds above 0, such as 30 or 0.5')
  return value
}

function follow(subjects: readonly string[], given: Given): Promise<void> {
  subjects.forEach(validatePattern)
  parseAfter(given.after ?? [])
  const transport: TransportName = given.transport === 'ws' && given.proto ? 'ws-proto' : given.transport
  let received = 0
  let gaps = 0
  return new Promise((resolve) => {
    const end = (exitCode: number) => {
      follower.close()
      clearTimeout(timer)
      process.exitCode = exitCode
      summarise(subjects, given, received, gaps, follower.token())
      resolve()
      // Sockets that are closing must not keep the command.
      setImmediate(() => process.exit())
    }
    const listener = {
      event(delivery: Delivery) {
        received++
        process.stdout.write(`${given.json ? jsonLine(delivery) : textLine(delivery)}\n`)
        if (received === given.count) end(exitCodes.ok)
      },
      gap(gap: Gap) {
        gaps++
        console.error(given.json ? JSON.stringify({ gap }) : gapLine(gap))
      },
      live: () => note(given, 'live'),
      waiting(refused: { message: string; code: string } | undefined, pauseMs: number) {
        const why = refused === undefined ? 'no connection' : `${refused.message} (${refused.code})`
        note(given, `${why}; again in ${(pauseMs / 1000).toFixed(1)} s`)
      },
      ended(refused: { message: string; code: string }) {
        console.error(`carillon: ${refused.message} (${refused.code})`)
        end(refused.code.startsWith('bad_') ? exitCodes.usage : exitCodes.failed)
      },
    }
    const follower = new Follower(subjects, { gateway: given.gateway, transport, after: given.after ?? [] }, listener)
    const timer = setTimeout(
      () => end(given.count === undefined ? exitCodes.ok : exitCodes.failed),
      (given.timeout ?? 2 ** 31 / 1000 - 1) * 1000,
    )
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end(exitCodes.ok))
  })
}

function note(given: Given, text: string): void {
  if (!given.json || process.stderr.isTTY) console.error(`-- ${printable(text)}`)
}

function jsonLine(delivery: Delivery): string {
  const { after, stream, partition, offset, event } = delivery
  const place = JSON.stringify({ after, stream, partition, offset, receivedAtUs: Date.now() * 1000 })
  // The event is JSON text already: its data as the gateway gave it.
  return `${place.slice(0, -1)},"event":${eventToJson(event)}}`
}

function textLine({ partition, offset, event }: Delivery): string {
  const latency = event.publishedAtUs === 0 ? '' : ` ${(Date.now() - event.publishedAtUs / 1000).toFixed(0)} ms`
  const data = event.deleted ? '(deleted)' : printable(Buffer.from(event.data).toString('utf8').slice(0, 2000))
  return `${time(new Date())}  ${printable(event.subject)}  [${partition}@${offset}]${latency}  ${data}`
}

function gapLine(gap: Gap): string {
  const range = gap.to === undefined ? `from ${gap.from}` : `${gap.from} to ${gap.to}`
  const lost = gap.certain ? 'events were lost' : 'events may be missing'
  return `-- gap: ${gap.stream}, partition ${gap.partition}, offsets ${range}: ${gap.reason}, ${lost}`
}

function summarise(
  subjects: readonly string[],
  given: Given,
  received: number,
  gaps: number,
  token: string | undefined,
): void {
  if (given.json || !process.stderr.isTTY) return
  console.error(`\n-- ${received} events, ${gaps} gaps`)
  if (token === undefined) return
  const quoted = subjects.map((subject) => `'${subject}'`).join(' ')
  console.error(`-- go on with: carillon subscribe ${quoted} --transport ${given.transport} --after ${token}`)
}
