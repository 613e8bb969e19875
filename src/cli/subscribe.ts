import { Command, Option } from 'commander'
import { systemTiming } from '../base/clock.ts'
import { CarillonError } from '../base/errors.ts'
import { printable } from '../base/printable.ts'
import { type Client, connect } from '../client/client.ts'
import type { ReceivedEvent, ReceivedGap } from '../client/received.ts'
import { lowestToken } from '../client/resume-point.ts'
import type { Reason, State } from '../client/state.ts'
import type { Subscription } from '../client/subscription.ts'
import { matches, validatePattern } from '../subject/subject.ts'
import { type Delivery, maxLast, type Policy, policies } from '../wire/frames.ts'
import { parseAfter } from '../wire/token.ts'
import { afterForms, afterOf } from './after.ts'
import { deliveryJson, deliveryText, gapJson, gapText } from './event-lines.ts'
import { exitCodeOfCode, exitCodes } from './exit.ts'
import { defaultGateway, gatewayOption, seconds, wholeNumber } from './gateway-url.ts'
import { invoked } from './invoked.ts'
import { subjectHint } from './subject-hints.ts'
import { counted, jsonLine } from './text.ts'
import { refusalNow } from './why-lost.ts'

interface Given {
  transport: 'ws' | 'sse' | 'poll'
  proto?: boolean
  json?: boolean
  after?: string[]
  last?: number
  policy?: Policy
  count?: number
  timeout?: number
  gateway: string
}

/**
 * Maximum of unread output of stdout, bytes. Beyond it, the subscription pauses (back-pressure),
 * and the gateway holds the rest instead of this process.
 */
const maxUnwrittenBytes = 4 * 1024 * 1024
/** Maximum of received events that wait in this process. */
const inbox = { maxEvents: 1024, maxBytes: 1024 * 1024 }
/** Time at the end for the reader of stdout to read the remaining output, ms. */
const flushMs = 2000

export function command(): Command {
  const subscribe = new Command('carillon subscribe')
    .description('Print the events of subjects and patterns as they arrive, across reconnects, until Ctrl-C.')
    .argument('<subject...>', 'subjects or patterns: * matches one token, a final > matches one or more')
    .addOption(new Option('--transport <name>', 'the transport').choices(['ws', 'sse', 'poll']).default('ws'))
    .option('--proto', 'use protobuf frames on the WebSocket')
    .option('--json', 'print one JSON document per line: events on stdout, everything else on stderr')
    .option('--after <where...>', `where to start: ${afterForms}; several tokens are merged`)
    .option(
      '--last <n>',
      `start with the last n events of each subject, up to ${maxLast}; not with --after`,
      wholeNumber,
    )
    .addOption(
      new Option('--policy <name>', 'which missed events to print: all, or the newest of each subject').choices(
        policies,
      ),
    )
    .option('--count <n>', 'exit after this number of events', wholeNumber)
    .option('--timeout <seconds>', 'exit after this time, with exit code 1 if --count was not reached', seconds)
    .addOption(gatewayOption('URL of the gateway'))
  subscribe.addHelpText('after', "\nExample:\n  carillon subscribe 'alarm.>' --after earliest --json")
  return subscribe.action((subjects: string[]) => follow(subjects, subscribe.opts<Given>()))
}

function follow(subjects: readonly string[], given: Given): Promise<void> {
  subjects.forEach(validatePattern)
  const after = given.after?.map((text) => afterOf(text, Date.now()))
  parseAfter(after ?? [])
  if (given.last !== undefined && given.after !== undefined) {
    throw new CarillonError(
      'bad_request',
      '--last: expected no --after with it: a position already says where to start',
    )
  }
  if (given.proto && given.transport !== 'ws') {
    throw new CarillonError('bad_request', `--proto: expected --transport ws with it, got ${given.transport}`)
  }
  return new Promise((resolve, reject) => {
    new Watch(subjects, after === undefined ? given : { ...given, after }, resolve).start().catch(reject)
  })
}

/** One run of the command. */
class Watch {
  readonly #subjects: readonly string[]
  readonly #given: Given
  readonly #done: () => void
  #client: Client | undefined
  readonly #subscriptions: Subscription[] = []
  #cancelTimeout: () => void = () => {}
  /** Last refusal while it waits; undefined after a lost connection, and once it is live. */
  #refused: Reason | undefined
  /** Refusal that a poll received after the WebSocket could not connect. */
  #whyLost: Reason | undefined
  /** True if that poll was made since the client was last live, or started. */
  #asked = false
  /** Last gap or wait shown. All subscriptions report the same one, and it is shown once. */
  #shown = ''
  #over = false
  #received = 0
  #gaps = 0

  constructor(subjects: readonly string[], given: Given, done: () => void) {
    this.#subjects = [...new Set(subjects)]
    this.#given = given
    this.#done = done
  }

  async start(): Promise<void> {
    const { gateway, transport, proto, after = [], last, policy, timeout } = this.#given
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => this.#end(exitCodes.ok))
    if (timeout !== undefined) this.#cancelTimeout = systemTiming.after(timeout * 1000, () => this.#timedOut())
    // The protobuf codec is loaded only when it is used.
    const codec = proto ? { codec: (await import('../client/proto-codec.ts')).protoCodec } : {}
    const transports = [transport === 'ws' ? 'websocket' : transport] as const
    this.#client = connect(gateway, { transports, ...codec, inbox, onState: (state) => this.#clientIs(state) })
    for (const subject of this.#subjects) {
      const hint = subjectHint(subject)
      if (hint !== undefined) this.#note({ hint }, hint)
      const subscription: Subscription = this.#client.subscribe(subject, {
        after,
        ...(last === undefined ? {} : { last }),
        ...(policy === undefined ? {} : { policy }),
        onEvent: (event) => this.#event(subject, event),
        onGap: (gap) => this.#gap(gap),
        onState: (state) => this.#stateIs(state),
        onClosed: (reason) => this.#closed(reason),
      })
      this.#subscriptions.push(subscription)
    }
  }

  /**
   * Shows an event, for the first of the subjects that match it. Returns a promise that resolves
   * once the event is handled, or undefined if it is already.
   */
  #event(subject: string, received: ReceivedEvent): Promise<unknown> | undefined {
    if (this.#subjects.find((each) => matches(each, received.subject)) !== subject) return undefined
    const { count, json } = this.#given
    // The event is not shown, so its promise must never resolve.
    if (this.#over || this.#received === count) return new Promise(() => {})
    this.#received++
    this.#shown = ''
    const { after, stream, partition, offset } = received
    const delivery: Delivery = { kind: 'delivery', after, stream, partition, offset, event: received }
    const came = this.#subscriptions[this.#subjects.indexOf(subject)]?.state.name === 'live' ? 'new' : 'missed'
    const line = json ? deliveryJson(delivery, Date.now()) : deliveryText(delivery, new Date(), came)
    process.stdout.write(`${line}\n`)
    if (this.#received === count) setImmediate(() => this.#end(exitCodes.ok))
    if (process.stdout.writableLength <= maxUnwrittenBytes) return undefined
    return new Promise((resolve) => process.stdout.once('drain', resolve))
  }

  #gap(gap: ReceivedGap): void {
    const line = this.#given.json ? gapJson(gap) : `-- ${gapText(gap)}`
    if (line === this.#shown) return
    this.#shown = line
    this.#gaps++
    console.error(line)
  }

  #clientIs(state: State): void {
    if (state.name !== 'live') return
    this.#refused = undefined
    this.#whyLost = undefined
    this.#asked = false
    this.#note({ live: true }, 'live')
  }

  #stateIs(state: State): void {
    if (state.name === 'waiting') this.#waits(state.reason, state.retryMs ?? 0)
  }

  #waits(reason: Reason, pauseMs: number): void {
    if (reason.code === 'slow') {
      this.#note({ paused: true }, 'slow reader: paused until it has read the waiting events')
      return
    }
    if (reason.code === 'lost' && this.#given.transport === 'ws' && !this.#asked) void this.#askWhy()
    const refused = reason.code === 'lost' ? undefined : reason
    const { code, message } = refused ?? {}
    const isKnown = refused !== undefined && this.#refused?.code === code && this.#refused?.message === message
    this.#refused = refused
    const why = isKnown
      ? `still ${code}`
      : refused === undefined
        ? `no connection to ${this.#given.gateway}`
        : reasonText(refused)
    const waiting = { code, message, retryMs: Math.round(pauseMs) }
    if (JSON.stringify(waiting) === this.#shown) return
    this.#shown = JSON.stringify(waiting)
    this.#note({ waiting }, `${why}; again in ${(pauseMs / 1000).toFixed(1)} s`)
  }

  async #askWhy(): Promise<void> {
    this.#asked = true
    const refused = await refusalNow(this.#given.gateway, this.#subjects[0]!)
    if (refused === undefined || !this.#asked) return
    this.#whyLost = refused
    this.#note({ refused }, `refused: ${reasonText(refused)}`)
  }

  #closed(reason: Reason): void {
    if (reason.code !== 'done') this.#ended(reason)
  }

  #ended(reason: Reason): void {
    if (this.#over) return
    console.error(`carillon: ${printable(reasonText(reason))}`)
    this.#end(exitCodeOfCode(reason.code))
  }

  #note(json: object, text: string): void {
    if (!this.#over) console.error(this.#given.json ? jsonLine(json) : `-- ${printable(text)}`)
  }

  #timedOut(): void {
    const refused = this.#refused ?? this.#whyLost
    if (refused !== undefined) this.#ended(refused)
    else if (this.#token === undefined) {
      console.error(`carillon: no answer from ${this.#given.gateway}: is a gateway running there, and is its broker?`)
      this.#end(exitCodes.unreachable)
    } else this.#end(this.#given.count === undefined ? exitCodes.ok : exitCodes.failed)
  }

  #end(exitCode: number): void {
    if (this.#over) return
    this.#over = true
    const token = this.#token
    void this.#client?.close()
    this.#cancelTimeout()
    process.exitCode = exitCode
    if (this.#given.json) {
      console.error(jsonLine({ ended: { events: this.#received, gaps: this.#gaps, after: token } }))
    } else this.#summarise(token)
    this.#done()
    // Neither closing sockets nor a reader that does not read may keep the process alive.
    process.stdout.write('', () => process.exit())
    setTimeout(() => process.exit(), flushMs)
  }

  /** Lowest position of all subscriptions; undefined while none is known. */
  get #token(): string | undefined {
    return lowestToken(this.#subscriptions.map(({ token }) => token).filter((token) => token !== undefined))
  }

  #summarise(token: string | undefined): void {
    console.error(`-- ${counted(this.#received, 'event')}, ${counted(this.#gaps, 'gap')}`)
    if (token === undefined) return
    const { transport, proto, policy, gateway } = this.#given
    const subjects = this.#subjects.map((subject) => `'${subject}'`).join(' ')
    const encoding = proto ? ' --proto' : ''
    const how = `${transport === 'ws' ? '' : ` --transport ${transport}`}${encoding}${policy === 'latest' ? ' --policy latest' : ''}`
    const where = gateway === defaultGateway ? '' : ` --gateway ${gateway}`
    console.error(`-- continue with: ${invoked} subscribe ${subjects}${how}${where} --after ${token}`)
  }
}

const reasonText = ({ message, code }: Reason) => `${message} (${code})`
