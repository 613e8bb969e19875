import { Command, InvalidArgumentError, Option } from 'commander'
import { CarillonError } from '../base/errors.ts'
import { printable } from '../base/printable.ts'
import type { Refusal } from '../client/connection.ts'
import { Follower, type Listener, type TransportName } from '../client/follow.ts'
import { validatePattern } from '../subject/subject.ts'
import type { Delivery, Gap } from '../wire/frames.ts'
import { parseAfter } from '../wire/token.ts'
import { deliveryJson, deliveryText, gapJson, gapText } from './event-lines.ts'
import { exitCodeOfCode, exitCodes } from './exit.ts'
import { defaultGateway, gatewayUrl, wholeNumber } from './gateway-url.ts'
import { invoked } from './invoked.ts'

interface Given {
  transport: 'ws' | 'sse' | 'poll'
  proto?: boolean
  json?: boolean
  after?: string[]
  count?: number
  timeout?: number
  gateway: string
}

/** What a slow reader of stdout has not taken yet, bytes: beyond that the gateway holds the rest, not this process. */
const maxUnwrittenBytes = 4 * 1024 * 1024
/** At the end stdout's reader has so long to take what is left, ms. */
const flushMs = 2000

/** What a timer holds, s: 24 days. */
const maxTimeout = 2_147_483

export function command(): Command {
  const subscribe = new Command('carillon subscribe')
    .description('Show the events of subjects and patterns as they come, over reconnects, until Ctrl-C.')
    .argument('<subject...>', 'subjects or patterns: * matches one token, a final > one or more')
    .addOption(new Option('--transport <name>', 'how').choices(['ws', 'sse', 'poll']).default('ws'))
    .option('--proto', 'protobuf frames on the WebSocket')
    .option('--json', 'events on stdout and what else happens on stderr, one JSON document a line')
    .option('--after <where...>', 'start behind a TOKEN (several are merged), at earliest, latest or @TIME (RFC 3339)')
    .option('--count <n>', 'end after so many events', wholeNumber)
    .option('--timeout <seconds>', 'end after so long, with exit code 1 when --count was not reached', seconds)
    .option('--gateway <url>', 'where the gateway is', gatewayUrl, defaultGateway)
  subscribe.addHelpText('after', "\nExample:\n  carillon subscribe 'alarm.>' --after earliest --json")
  return subscribe.action((subjects: string[]) => follow(subjects, subscribe.opts<Given>()))
}

function seconds(text: string): number {
  const value = Number(text)
  if (value > 0 && value <= maxTimeout) return value
  throw new InvalidArgumentError(`expected seconds above 0 and up to ${maxTimeout}, such as 30 or 0.5`)
}

function follow(subjects: readonly string[], given: Given): Promise<void> {
  subjects.forEach(validatePattern)
  parseAfter(given.after ?? [])
  if (given.proto && given.transport !== 'ws') {
    throw new CarillonError('bad_request', `--proto: expected --transport ws beside it, got ${given.transport}`)
  }
  return new Promise((resolve) => new Watch(subjects, given, resolve).start())
}

/** One run of the command. */
class Watch implements Listener {
  readonly #subjects: readonly string[]
  readonly #given: Given
  readonly #done: () => void
  #follower: Follower | undefined
  #timer: NodeJS.Timeout | undefined
  /** Why it waits; undefined where the connection was lost, and once it goes on. */
  #refused: Refusal | undefined
  #over = false
  #received = 0
  #gaps = 0

  constructor(subjects: readonly string[], given: Given, done: () => void) {
    this.#subjects = subjects
    this.#given = given
    this.#done = done
  }

  start(): void {
    const { gateway, transport, proto, after = [], timeout } = this.#given
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => this.#end(exitCodes.ok))
    if (timeout !== undefined) this.#timer = setTimeout(() => this.#timedOut(), timeout * 1000)
    const name: TransportName = transport === 'ws' && proto ? 'ws-proto' : transport
    this.#follower = new Follower(this.#subjects, { gateway, transport: name, after }, this)
  }

  event(delivery: Delivery): void {
    this.#received++
    const line = this.#given.json ? deliveryJson(delivery, Date.now()) : deliveryText(delivery, new Date())
    process.stdout.write(`${line}\n`)
    if (this.#received === this.#given.count) this.#end(exitCodes.ok)
    else if (process.stdout.writableLength > maxUnwrittenBytes) this.#waitForReader()
  }

  gap(gap: Gap): void {
    this.#gaps++
    console.error(this.#given.json ? gapJson(gap) : `-- ${gapText(gap)}`)
  }

  live(): void {
    this.#refused = undefined
    this.#note({ live: true }, 'live')
  }

  waiting(refused: Refusal | undefined, pauseMs: number): void {
    const retryMs = Math.round(pauseMs)
    const { code, message } = refused ?? {}
    const isKnown = refused !== undefined && this.#refused?.code === code && this.#refused?.message === message
    this.#refused = refused
    const why = isKnown
      ? `still ${code}`
      : refused === undefined
        ? `no connection to ${this.#given.gateway}`
        : refusedText(refused)
    this.#note({ waiting: { code, message, retryMs } }, `${why}; again in ${(pauseMs / 1000).toFixed(1)} s`)
  }

  ended(refused: Refusal): void {
    console.error(`carillon: ${printable(refusedText(refused))}`)
    this.#end(exitCodeOfCode(refused.code))
  }

  #note(json: object, text: string): void {
    console.error(this.#given.json ? JSON.stringify(json) : `-- ${printable(text)}`)
  }

  #waitForReader(): void {
    this.#note({ paused: true }, 'slow reader: going on when it has taken what is here')
    this.#follower?.pause()
    process.stdout.once('drain', () => this.#follower?.resume())
  }

  #timedOut(): void {
    if (this.#refused !== undefined) this.ended(this.#refused)
    else if (this.#follower?.token() === undefined) {
      console.error(`carillon: no answer from ${this.#given.gateway}: is a gateway running there?`)
      this.#end(exitCodes.unreachable)
    } else this.#end(this.#given.count === undefined ? exitCodes.ok : exitCodes.failed)
  }

  #end(exitCode: number): void {
    if (this.#over) return
    this.#over = true
    this.#follower?.close()
    clearTimeout(this.#timer)
    process.exitCode = exitCode
    const token = this.#follower?.token()
    if (this.#given.json) this.#note({ ended: { events: this.#received, gaps: this.#gaps, after: token } }, '')
    else this.#summarise(token)
    this.#done()
    // Sockets that are closing must not keep the command, nor a reader that does not read.
    process.stdout.write('', () => process.exit())
    setTimeout(() => process.exit(), flushMs)
  }

  #summarise(token: string | undefined): void {
    console.error(`-- ${this.#received} events, ${this.#gaps} gaps`)
    if (token === undefined) return
    const { transport, proto, gateway } = this.#given
    const subjects = this.#subjects.map((subject) => `'${subject}'`).join(' ')
    const how = `${transport === 'ws' ? '' : ` --transport ${transport}`}${proto ? ' --proto' : ''}`
    const where = gateway === defaultGateway ? '' : ` --gateway ${gateway}`
    console.error(`-- go on with: ${invoked} subscribe ${subjects}${how}${where} --after ${token}`)
  }
}

const refusedText = ({ message, code }: Refusal) => `${message} (${code})`
