import type { BrokerUse } from '../../base/broker-uses.ts'
import { BrokerAwayError, BrokerLink } from './broker-link.ts'
import type { BrokerConnector } from './connector.ts'
import { FetchSize } from './fetch-size.ts'
import { type HeardMetadata, metadataRequest, noNode } from './metadata-request.ts'
import type { KafkaOptions } from './options.ts'

/** Messages of Node, kafkajs and Carillon that mean an address is unreachable. */
const unreachable =
  /\bE(?:CONNREFUSED|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH|TIMEDOUT)\b|Connection timeout|no answer to a connection/

/** The known brokers of a cluster, and one link to each broker in use. */
export class BrokerSet {
  readonly #options: KafkaOptions
  readonly #connector: BrokerConnector
  readonly #use: BrokerUse
  /** By node id, as of the last metadata. */
  readonly #addresses = new Map<number, string>()
  /** By address. Callers that need the same broker share one link, even while it opens. */
  readonly #links = new Map<string, Promise<BrokerLink>>()
  /** Addresses whose link is open, for `metadata` to prefer. */
  readonly #open = new Map<string, BrokerLink>()
  /** By address. */
  readonly #fetchSizes = new Map<string, FetchSize>()
  /** Addresses that were reached at least once. */
  readonly #reached = new Set<string>()
  #turn = 0
  #closed = false

  constructor(connector: BrokerConnector, use: BrokerUse) {
    this.#options = connector.options
    this.#use = use
    this.#connector = connector
  }

  /** Returns the link to a node from the metadata. */
  link(nodeId: number): Promise<BrokerLink> {
    const address = this.#addresses.get(nodeId)
    if (address === undefined) return Promise.reject(new BrokerAwayError(`${nodeId}`, 'not in the metadata'))
    return this.#linkTo(address)
  }

  /** Returns the link to any broker that answers. Tries open links first. */
  async any(): Promise<BrokerLink> {
    return this.#firstOf(this.#candidates([]), (link) => Promise.resolve(link))
  }

  /**
   * Asks the brokers in turn until one answers. Nodes in `avoid`, which seem frozen or outdated,
   * come last.
   */
  async metadata(topic: string, avoid: readonly number[] = []): Promise<HeardMetadata> {
    const { requestTimeoutMs } = this.#options
    return this.#firstOf(this.#candidates(avoid), async (link) => {
      const metadata = await link.ask(metadataRequest(topic), requestTimeoutMs)
      for (const { nodeId, address } of metadata.brokers) this.#addresses.set(nodeId, address)
      const own = metadata.brokers.find(({ address }) => address === link.address)
      return { ...metadata, from: own?.nodeId ?? noNode }
    })
  }

  close(): void {
    this.#closed = true
    const error = this.#closedError()
    for (const link of this.#links.values()) {
      link.then(
        (opened) => opened.drop(error),
        () => {},
      )
    }
    this.#links.clear()
  }

  async #firstOf<T>(addresses: readonly string[], ask: (link: BrokerLink) => Promise<T>): Promise<T> {
    const problems = new Map<string, string[]>()
    for (const address of addresses) {
      try {
        return await ask(await this.#linkTo(address))
      } catch (error) {
        if (this.#closed) throw error
        const problem = error instanceof BrokerAwayError ? error.problem : (error as Error).message
        problems.set(problem, [...(problems.get(problem) ?? []), address])
      }
    }
    throw noneUsable(problems)
  }

  #candidates(avoid: readonly number[]): string[] {
    const avoided = avoid.map((nodeId) => this.#addresses.get(nodeId))
    const known = new Set(this.#addresses.values())
    const seeds = this.#options.brokers.filter((address) => !known.has(address))
    const all = [...known, ...seeds]
    const turn = this.#turn++ % all.length
    const rotated = [...all.slice(turn), ...all.slice(0, turn)]
    const rank = (address: string) => {
      if (avoided.includes(address)) return 2
      return this.#open.get(address)?.usable === true ? 0 : 1
    }
    return rotated.sort((a, b) => rank(a) - rank(b))
  }

  async #linkTo(address: string): Promise<BrokerLink> {
    const open = this.#open.get(address)
    if (open !== undefined) {
      if (open.usable) return open
      open.drop(new BrokerAwayError(address, 'the connection was closed'))
      this.#open.delete(address)
      this.#links.delete(address)
    }
    if (this.#closed) throw this.#closedError()
    let opening = this.#links.get(address)
    if (opening === undefined) {
      const fetchSize = this.#fetchSizes.get(address) ?? new FetchSize()
      this.#fetchSizes.set(address, fetchSize)
      const opened = BrokerLink.open(this.#connector, address, this.#use, fetchSize)
      opening = opened.catch((error) => this.#unreached(address, error))
      this.#links.set(address, opening)
      opening.then(
        (link) => this.#opened(address, link),
        () => this.#links.delete(address),
      )
    }
    return opening
  }

  /**
   * Adds a hint to the error of an address that only the metadata contains and that was never
   * reached: perhaps only other hosts can reach it.
   */
  #unreached(address: string, error: unknown): never {
    const isTrusted = this.#options.brokers.includes(address) || this.#reached.has(address)
    if (isTrusted || !(error instanceof BrokerAwayError) || !unreachable.test(error.problem)) throw error
    const hint =
      'the cluster advertises this address (advertised.listeners): is the broker down, or can this host not reach the address?'
    throw new BrokerAwayError(address, `${error.problem}; ${hint}`, error)
  }

  #closedError(): BrokerAwayError {
    return new BrokerAwayError(this.#options.brokers.join(', '), 'this source is closed')
  }

  #opened(address: string, link: BrokerLink): void {
    this.#reached.add(address)
    if (this.#closed) link.drop(this.#closedError())
    else this.#open.set(address, link)
  }
}

/**
 * `problems` maps each problem to its addresses. Sorts them: brokers are asked in varying order,
 * and the same situation must produce the same message.
 */
function noneUsable(problems: ReadonlyMap<string, readonly string[]>): BrokerAwayError {
  const sorted = [...problems].map(([problem, addresses]) => [addresses.toSorted().join(', '), problem] as const).sort()
  const [[addresses, problem] = ['', 'there is none'], ...others] = sorted
  return new BrokerAwayError(addresses, [problem, ...others.map(([at, what]) => `broker ${at}: ${what}`)].join('; '))
}
