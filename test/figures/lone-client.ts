import { type CarillonConversation, carillonConversations } from '../../src/bench/carillon/conversations.ts'
import { Client, type ClientHost } from '../../src/bench/load/client.ts'
import type { Converse } from '../../src/bench/load/conversation.ts'
import { FollowedSubject } from '../../src/bench/load/followed.ts'

/** How long a subscription may take to become live, ms. */
const patienceMs = 90_000

interface Wanted {
  readonly conversation: CarillonConversation
  /** A subject or a pattern. */
  readonly subject: string
  /** Token to resume from; default the head. */
  readonly token?: string
}

/** A single client, which does not reconnect by itself. */
export class LoneClient implements ClientHost {
  readonly converse: Converse
  readonly localAddress = undefined
  nowUs = 0
  /** Number of received events. */
  events = 0
  onEvent: () => void = () => {}
  readonly #client: Client
  #settle: (error?: Error) => void = () => {}

  constructor({ conversation, subject, token = '' }: Wanted) {
    this.converse = carillonConversations[conversation]
    const followed = new FollowedSubject(subject, 0)
    followed.stand(Buffer.from(token, 'latin1'), 0, token.length)
    this.#client = new Client(this, { index: 0, followed: [followed], slow: false })
  }

  /** Token of the client's position. */
  get token(): string {
    return this.#client.token
  }

  /** Connects. Resolves with the time until the subscription was live, ms. */
  async come(port: number): Promise<number> {
    const startUs = this.clockUs()
    const deadline = setTimeout(() => this.#settle(new Error(`not live within ${patienceMs} ms`)), patienceMs)
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = (error) => (error === undefined ? resolve() : reject(error))
        this.#client.come({ host: '127.0.0.1', port, tls: false }, startUs)
      })
      return (this.clockUs() - startUs) / 1000
    } catch (error) {
      this.leave()
      throw error
    } finally {
      clearTimeout(deadline)
    }
  }

  leave(): void {
    this.#client.leave(this.clockUs())
  }

  // ClientHost

  clockUs(): number {
    return performance.now() * 1000
  }

  reading(): void {
    this.nowUs = this.clockUs()
  }

  event(): void {
    this.events++
    this.onEvent()
  }

  live(): void {
    this.#settle()
  }

  gap(): void {}

  gone(_: Client, why: string): void {
    this.#settle(new Error(why))
  }
}
