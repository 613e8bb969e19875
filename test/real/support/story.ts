import { decodeToken, encodeToken, type Position } from '../../../src/wire/token.ts'

/** An event as a client got it. */
export interface SeenEvent {
  readonly subject: string
  /** The payload's text; '' = none. */
  readonly data: string
  readonly partition: number
  readonly offset: number
  readonly deleted: boolean
  /** When it came, monotonic ms. */
  readonly atMs: number
}

export interface SeenGap {
  readonly stream: string
  readonly partition: number
  readonly from: number
  readonly to: number | undefined
  readonly reason: string
  /** The token behind it. */
  readonly after: string
}

export interface SeenError {
  readonly code: string
  readonly message: string
  readonly retryAfterMs: number
}

/** Events and gaps in the order in which they came, whichever the transport. */
export class Story {
  readonly told: (SeenEvent | SeenGap)[] = []

  get events(): SeenEvent[] {
    return this.told.filter((each) => 'subject' in each)
  }

  get gaps(): SeenGap[] {
    return this.told.filter((each) => 'reason' in each)
  }

  /** The payloads, in order. */
  get data(): string[] {
    return this.events.map(({ data }) => data)
  }

  /** What was told of each partition, in order: see `byPartition`. */
  get tale(): Record<number, string[]> {
    return byPartition(this.told)
  }
}

/** Events and gaps of each partition as text, in the order of the list: between partitions there is no order. */
export function byPartition(
  told: readonly (SeenGap | Omit<SeenEvent, 'deleted' | 'atMs'>)[],
): Record<number, string[]> {
  const partitions: Record<number, string[]> = {}
  for (const each of told.toSorted((a, b) => a.partition - b.partition)) {
    const list = partitions[each.partition] ?? []
    partitions[each.partition] = list
    if ('subject' in each) list.push(`${each.offset} ${each.subject} ${shortened(each.data)}`)
    else list.push(`${each.from}-${each.to ?? ''} ${each.reason}`)
  }
  return partitions
}

/** What a client that keeps its own place remembers: of each partition the last position that it was told. */
export class Place {
  readonly #positions = new Map<string, Position>()

  take(token: string): void {
    for (const position of decodeToken(token)) {
      // A position in a stream that was created anew replaces the one in the old log.
      this.#positions.set(`${position.nameHash}/${position.partition}`, position)
    }
  }

  get token(): string {
    return encodeToken([...this.#positions.values()])
  }
}

/** Whether the token is past each of these events. */
export function isPast(token: string, events: readonly { partition: number; offset: number }[]): boolean {
  const positions = token === '' ? [] : decodeToken(token)
  return events.every(({ partition, offset }) => {
    return positions.some((position) => position.partition === partition && position.offset > offset)
  })
}

/** Long payloads would fill an assertion's message. */
const shortened = (data: string) => (data.length > 120 ? `${data.slice(0, 100)}… (${data.length})` : data)
