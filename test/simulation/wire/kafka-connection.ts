import type { BrokerUse } from '../../../src/base/broker-uses.ts'
import type { Random } from '../../../src/base/random.ts'
import type { BrokerConnector, RawBroker, RawConnection, RawRequest } from '../../../src/source/kafka/connector.ts'
import type { KafkaOptions } from '../../../src/source/kafka/options.ts'
import type { Process, VirtualTime } from '../virtual-time.ts'
import { apiKey } from './kafka-answers.ts'
import type { KafkaNode, Reply } from './kafka-node.ts'

/** The network between one gateway and all nodes. */
export interface Route {
  readonly time: VirtualTime
  /** The process of the nodes. */
  readonly brokers: Process
  readonly gateway: Process
  readonly random: Random
  /** Upper bound of the latency of a message, ms. */
  readonly latencyMs: number
  /**
   * `refused`: connections fail with an error. `silent`: nothing arrives, and nothing reports
   * that.
   */
  readonly link: 'open' | 'refused' | 'silent'
  /** Runs `task` once the link is open again. */
  hold(task: () => void): void
  readonly connections: Set<ModelConnection>
  /** Reports that a broker asked for a pause. */
  throttled(use: BrokerUse, ms: number): void
}

interface Sent {
  readonly key: number
  readonly body: Buffer
  answered(bytes: Buffer): void
  failed(error: Error): void
}

const refusedError = () => new Error('Connection error: connect ECONNREFUSED')
const closedError = () => new Error('Connection error: Closed connection')

/**
 * A model of kafkajs's connection, as far as the adapter uses it. The node handles its requests
 * in order, one at a time.
 */
export class ModelConnection implements RawConnection {
  readonly node: KafkaNode
  readonly #route: Route
  readonly #sent = new Set<Sent>()
  readonly #queue: Sent[] = []
  #state: 'new' | 'open' | 'closed' = 'new'
  #serving: (() => void) | undefined
  #mutedUntilMs = 0
  #upMs = 0
  #downMs = 0

  constructor(node: KafkaNode, route: Route) {
    this.node = node
    this.#route = route
  }

  isConnected(): boolean {
    return this.#state === 'open'
  }

  connect(): Promise<void> {
    if (this.#state === 'open') return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#up(() => {
        if (this.#route.link === 'refused' || this.node.state === 'down') {
          this.#down(() => reject(refusedError()))
          return
        }
        this.#reached(() =>
          this.#down(() => {
            if (this.#state === 'new') {
              this.#state = 'open'
              this.#route.connections.add(this)
            }
            resolve()
          }),
        )
      })
    })
  }

  disconnect(): Promise<void> {
    this.#close()
    return Promise.resolve()
  }

  rejectRequests(error: Error): void {
    for (const each of this.#sent) each.failed(error)
    this.#sent.clear()
  }

  async send<T>({ request, response }: RawRequest<T>): Promise<T> {
    const { buffer } = await request.encode()
    if (this.#state !== 'open') throw closedError()
    const body = Buffer.from(buffer)
    const bytes = await new Promise<Buffer>((resolve, reject) => {
      const sent: Sent = { key: request.apiKey, body, answered: resolve, failed: reject }
      this.#sent.add(sent)
      this.#up(() => this.#reached(() => this.#arrived(sent)))
    })
    return response.parse(await response.decode(bytes))
  }

  /** Ends the connection from the other side. All waiting requests fail. */
  broken(): void {
    if (this.#state === 'closed') return
    this.#close()
    this.#down(() => this.rejectRequests(closedError()))
  }

  #close(): void {
    this.#state = 'closed'
    this.#route.connections.delete(this)
    this.#serving?.()
    this.#serving = undefined
    for (const sent of this.#queue.splice(0)) this.#carryOut(sent)
  }

  /**
   * A produce request that has reached the node is written, although nothing waits for the answer
   * any more.
   */
  #carryOut({ key, body }: Sent): void {
    if (key === apiKey.produce && this.node.state === 'up') this.node.handle(key, body, () => {})
  }

  // At the node

  #arrived(sent: Sent): void {
    if (this.#state === 'closed') this.#carryOut(sent)
    else this.#queue.push(sent)
    this.#serve()
  }

  #serve(): void {
    if (this.#serving !== undefined || this.#queue.length === 0) return
    const { time, brokers, random } = this.#route
    const waitMs = this.#mutedUntilMs - time.nowMs
    if (waitMs > 0) {
      time.add(brokers, waitMs, () => this.#serve())
      return
    }
    const sent = this.#queue.shift()!
    let isDone = false
    const replied = ({ bytes, throttleMs }: Reply) => {
      isDone = true
      this.#serving = undefined
      this.#mutedUntilMs = time.nowMs + throttleMs
      const workMs = this.node.slowMs * random.next()
      time.add(brokers, workMs, () => this.#down(() => this.#answered(sent, bytes)))
      time.add(brokers, workMs, () => this.#serve())
    }
    const cancel = this.node.handle(sent.key, sent.body, replied)
    if (!isDone) this.#serving = cancel
  }

  #answered(sent: Sent, bytes: Buffer): void {
    if (this.#sent.delete(sent)) sent.answered(bytes)
  }

  // Both directions, each in order

  #up(arrive: () => void): void {
    const { time, brokers } = this.#route
    this.#upMs = Math.max(this.#upMs, time.nowMs + this.#latency())
    time.add(brokers, this.#upMs - time.nowMs, arrive)
  }

  #down(arrive: () => void): void {
    const { time, gateway } = this.#route
    this.#downMs = Math.max(this.#downMs, time.nowMs + this.#latency())
    time.add(gateway, this.#downMs - time.nowMs, () => {
      if (this.#route.link === 'silent') this.#route.hold(() => this.#down(arrive))
      else arrive()
    })
  }

  /** Runs `task` once the link is open and the node is not frozen. */
  #reached(task: () => void): void {
    if (this.#route.link === 'silent') this.#route.hold(() => this.#reached(task))
    else if (this.node.state === 'frozen') this.node.held.push(() => this.#reached(task))
    else task()
  }

  #latency(): number {
    return this.#route.random.next() * this.#route.latencyMs
  }
}

const versions = Object.fromEntries(
  [
    [0, 9],
    [1, 13],
    [2, 7],
    [3, 12],
  ].map(([key, maxVersion]) => [key!, { minVersion: 0, maxVersion: maxVersion! }]),
)

/** Replaces kafkajs: finds model brokers by address. */
export class ModelConnector implements BrokerConnector {
  readonly options: KafkaOptions
  readonly clock: Process
  readonly #nodes: readonly KafkaNode[]
  readonly #route: Route

  constructor(options: KafkaOptions, nodes: readonly KafkaNode[], route: Route) {
    this.options = options
    this.clock = route.gateway
    this.#nodes = nodes
    this.#route = route
  }

  broker(address: string): Promise<RawBroker> {
    const node = this.#nodes.find((each) => each.address === address)
    if (node === undefined) return Promise.reject(new Error(`getaddrinfo ENOTFOUND ${address}`))
    const pool = [new ModelConnection(node, this.#route), new ModelConnection(node, this.#route)] as const
    return Promise.resolve({ versions, connectionPool: { pool }, connect: () => pool[0].connect() })
  }

  throttled(use: BrokerUse, _address: string, ms: number): void {
    this.#route.throttled(use, ms)
  }

  refused(): void {}
}
