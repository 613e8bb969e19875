import { type CarillonError, errors } from '../../src/base/errors.ts'
import type { Grant } from '../../src/identity/grant.ts'
import type { FrameKind, Outlet, Session, SessionOpener, WriteOutcome } from '../../src/session/outlet.ts'
import type { ClientFrame } from '../../src/wire/frames.ts'

const encoder = new TextEncoder()

/** A session that the test controls. It records the calls of its transport. */
export class FakeSession implements Session {
  readonly id: number
  readonly outlet: Outlet
  readonly grant: Grant
  readonly received: ClientFrame[] = []
  readonly refused: CarillonError[] = []
  readonly #host: FakeSessions
  subjects: readonly string[] = []
  after: readonly string[] = []
  position = 'AAAAAAAA'
  drains = 0
  subscribed = false
  closes: (string | undefined)[] = []

  constructor(id: number, outlet: Outlet, host: FakeSessions, grant: Grant) {
    this.id = id
    this.outlet = outlet
    this.grant = grant
    this.#host = host
  }

  receive(frame: ClientFrame): void {
    this.received.push(frame)
    this.subscribed ||= frame.kind === 'subscribe'
    this.#host.onReceive(this, frame)
  }

  refuse(error: CarillonError): void {
    this.refused.push(error)
    if (errors[error.code].close === 0) this.control({ error: { code: error.code } })
    else this.outlet.end(error)
  }

  start(subjects: readonly string[], after: readonly string[]): void {
    this.subjects = subjects
    this.after = after
    this.#host.onStart(this)
  }

  end(error: CarillonError | undefined): void {
    this.outlet.end(error)
  }

  drained(): void {
    this.drains++
    this.#host.onDrained(this)
  }

  token(): string {
    return this.position
  }

  closed(reason?: string): void {
    this.closes.push(reason)
  }

  /** Writes a delivery in the transport's encoding and moves the session to `position`. */
  deliver(position: string, body: unknown, kind: FrameKind = 'delivery'): WriteOutcome {
    this.position = position
    return this.outlet.write(this.encode(body), kind, this)
  }

  control(body: unknown): WriteOutcome {
    return this.outlet.write(this.encode(body), 'control', this)
  }

  encode(body: unknown): Uint8Array {
    const text = JSON.stringify(body)
    return encoder.encode(this.outlet.encoding === 'sse' ? `data: ${text}\n\n` : text)
  }
}

/** Replaces the session host behind the seam of src/session/outlet.ts. */
export class FakeSessions implements SessionOpener {
  readonly opened: FakeSession[] = []
  /** Error that `open` throws. */
  refusal: CarillonError | undefined
  /** Called at the start of a session; by default, the session opens at once. */
  onStart: (session: FakeSession) => void = (session) => session.outlet.opened()
  onDrained: (session: FakeSession) => void = () => {}
  /** Called for each frame; by default, answers with the frame as decoded. */
  onReceive: (session: FakeSession, frame: ClientFrame) => void = (session, frame) => {
    session.control({ received: frame })
  }

  open(outlet: Outlet, grant: Grant): Session {
    if (this.refusal !== undefined) throw this.refusal
    const session = new FakeSession(this.opened.length + 1, outlet, this, grant)
    this.opened.push(session)
    if (outlet.transport === 'websocket') session.control({ welcome: { heartbeatMs: 25_000 } })
    return session
  }

  /** The newest session. */
  get last(): FakeSession {
    return this.opened.at(-1)!
  }
}
