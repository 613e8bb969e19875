import type { PositionChange } from '../../src/client/resume-point.ts'
import { SeparateService } from '../../src/client/separate-service.ts'
import { SharedService } from '../../src/client/shared-service.ts'
import { type SubscriptionSink, TrackedSubscription } from '../../src/client/tracked-subscription.ts'
import { type Delivery, type Gap, makeEvent } from '../../src/wire/frames.ts'
import { saidBy } from '../../src/wire/partition-counts.ts'
import { decodeToken, encodeToken, logOf, type Position } from '../../src/wire/token.ts'

export const log = logOf('events', 'first')

export const at = (offset: number, partition = 0, own = log, generation = 0): Position => ({
  ...own,
  partition,
  offset,
  generation,
})
export const token = (...positions: Position[]) => encodeToken(positions)

/** A delivery as on a WebSocket. */
export function delivery(subject: string, offset: number, partition = 0): Delivery {
  const event = makeEvent({ subject })
  return { kind: 'delivery', after: token(at(offset + 1, partition)), partition, offset, event }
}

export function gap(fields: Partial<Gap> & Pick<Gap, 'reason' | 'after'>): Gap {
  return { kind: 'gap', stream: 'events', partition: 0, from: 0, certain: true, ...fields }
}

const behind = ({ after, stream }: Delivery) => (stream === undefined ? decodeToken(after)[0] : undefined)

/** Serves a subscription as a WebSocket does: frames have refs. */
function overSeparate(followed: TrackedSubscription) {
  const service = new SeparateService(followed)
  return {
    delivery: (each: Delivery) => service.delivery(each, behind(each)),
    named: (each: Delivery) => service.delivery({ ...each, refs: [1] }, behind(each)),
    gap: (each: Gap) => service.gap(each),
    gapNamed: (each: Gap) => service.gap({ ...each, refs: [1] }),
    stands: (...positions: Position[]) => service.stands(saidBy(positions)),
    becameLive: () => service.becameLive(),
  }
}

/** Serves a subscription as SSE and long-poll do, beside others or alone. */
function overShared(followed: TrackedSubscription) {
  let left = false
  const leave = () => {
    left = true
  }
  const service = new SharedService(followed, 2, leave)
  return {
    delivery: (each: Delivery) => service.delivery(each, behind(each)),
    gap: (each: Gap) => service.gap(each),
    stands: (...positions: Position[]) => service.stands(saidBy(positions)),
    standsAlone: (...positions: Position[]) => new SharedService(followed, 1, leave).stands(saidBy(positions)),
    becameLive: () => service.becameLive(),
    hasLeft: () => left,
  }
}

/** A subscription and what its sink received. */
export function following(subject: string, ...start: Position[]) {
  const told: unknown[] = []
  let room = true
  const inflow: SubscriptionSink = {
    event: ({ offset }: Delivery) => {
      told.push(offset)
      return room
    },
    gap: ({ reason }: Gap) => {
      told.push(reason)
      return room
    },
    moved: (_move: PositionChange) => {},
    live: () => told.push('live'),
    state() {},
    refused() {},
  }
  const followed = new TrackedSubscription(subject, [], inflow)
  if (start.length > 0) followed.subscribed(token(...start))
  const offsets = () => followed.resumePoint.positions.map(({ partition, offset }) => [partition, offset])
  const take = (each: Delivery) => followed.take(each, decodeToken(each.after)[0]!)
  const fill = () => {
    room = false
  }
  return { followed, told, offsets, take, fill, separate: overSeparate(followed), shared: overShared(followed) }
}
