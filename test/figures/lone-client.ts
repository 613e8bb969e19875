import { type CarillonConversation, carillonConversations } from '../../src/bench/carillon/conversations.ts'
import { Client, type ClientHost } from '../../src/bench/load/client.ts'
import type { Converse } from '../../src/bench/load/conversation.ts'
import { FollowedSubject } from '../../src/bench/load/followed.ts'

/** How long it may take until the subscription is in force, ms. */
const patienceMs = 90_000

interface Wanted {
  readonly conversation: CarillonConversation
  /** A subject or a pattern. */
  readonly subject: string
  /** Where it goes on; at the head where it is not given. */
  readonly token?: string
}

/** One client on its own, which does not come back by itself. */
export class LoneClient implements ClientHost {
  readonly converse: Converse
  readonly localAddress = undefined
  nowUs = 0
  /** Events that it was given. */
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

  /** Where it stands. */
  get token(): string {
    return this.#client.token
  }

  /** Resolves to how long it took until the subscription was in force, ms. */
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
