import { ByteRange } from '../../src/base/byte-range.ts'
import type { RejectReason } from '../../src/base/reject-reasons.ts'
import { Intake } from '../../src/intake/intake.ts'
import type { HeaderSink, SourceRecord } from '../../src/log/record.ts'
import type { RouteConfig } from '../../src/routing/options.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import { decodeEvent } from '../../src/wire/envelope.ts'
import type { Event } from '../../src/wire/frames.ts'
import { type StreamFormat, streamFormatDefaults } from '../../src/wire/stream-format.ts'

export type Headers = readonly (readonly [name: string | Uint8Array, value: string | Uint8Array | null])[]

export interface RecordSpec {
  readonly key?: string | Uint8Array | null
  readonly value?: string | Uint8Array | null
  readonly headers?: Headers
  readonly timeMs?: number
  readonly partition?: number
  readonly foreign?: string
}

const bytesOf = (content: string | Uint8Array) => (typeof content === 'string' ? Buffer.from(content) : content)

/** A record as adapters present it: everything in one buffer, with other bytes between. */
export function recordOf({
  key = null,
  value = null,
  headers = [],
  timeMs = 5,
  partition = 0,
  foreign,
}: RecordSpec): SourceRecord {
  const parts: Uint8Array[] = []
  let length = 0
  const place = (content: string | Uint8Array | null): [number, number] => {
    if (content === null) return [-1, -1]
    const bytes = bytesOf(content)
    parts.push(Buffer.from([0xff]), bytes)
    length += 1 + bytes.length
    return [length - bytes.length, length]
  }
  const [keyStart, keyEnd] = place(key)
  const [valueStart, valueEnd] = place(value)
  const placed = headers.map(([name, content]) => [place(name), place(content)] as const)
  const buffer = Buffer.concat([...parts, Buffer.from([0xff])])
  const rangeOf = (bounds: readonly [number, number]) => new ByteRange().set(buffer, ...bounds)
  const trace = placed.flatMap(([name, value]) => {
    return buffer.toString('utf8', ...name).toLowerCase() === 'traceparent' ? [rangeOf(value)] : []
  })[0]
  return {
    ...{ buffer, partition, offset: 7, timeMs, generation: 0, foreign },
    ...{ traceStart: trace?.start ?? -1, traceEnd: trace?.end ?? -1 },
    ...{ keyStart, keyEnd, valueStart, valueEnd },
    headers: () =>
      new Map(
        headers.map(([name, content]) => [
          String(bytesOf(name)),
          content === null ? null : Buffer.from(bytesOf(content)),
        ]),
      ),
    eachHeader: (sink: HeaderSink) => {
      for (const [name, value] of placed) sink.header(rangeOf(name), rangeOf(value))
    },
  }
}

export interface IntakeSpec {
  readonly format?: Partial<StreamFormat>
  readonly route?: Partial<RouteConfig>
  readonly partitions?: number
  readonly maxEventBytes?: number
}

export interface Taken {
  readonly event?: Event
  /** The record's traceparent. */
  readonly trace?: string
  readonly reason?: RejectReason
  readonly cause?: string
}

/** Returns the results for records of the stream `s`, on one intake. */
export function intakeOf({ format = {}, route = {}, partitions = 1, maxEventBytes = 1000 }: IntakeSpec = {}) {
  const routing = new RoutingTable([{ stream: 's', by: { hash: 'java' }, ...route }])
  const intake = new Intake({
    stream: 's',
    format: { ...streamFormatDefaults, ...format },
    routing,
    seed: 1,
    maxEventBytes,
  })
  return (spec: RecordSpec): Taken => {
    const record = recordOf(spec)
    const reason = intake.accept(record, partitions)
    if (reason !== undefined) return { reason, cause: intake.cause(record, reason, partitions) }
    const { buffer, eventStart, eventEnd, traceBuffer, traceStart, traceEnd } = intake.entry
    const event = decodeEvent(Buffer.from(buffer.subarray(eventStart, eventEnd)))
    return traceStart < 0 ? { event } : { event, trace: traceBuffer.toString('latin1', traceStart, traceEnd) }
  }
}
