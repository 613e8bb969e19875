import { Intake } from '../intake/intake.ts'
import type { RoutingTable } from '../routing/table.ts'
import type { StreamFormat } from '../wire/stream-format.ts'
import type { RecordJudge } from './recent-records.ts'

/** Returns a judge that decides as a gateway with this configuration would. */
export function recordJudge(
  stream: string,
  format: StreamFormat,
  routing: RoutingTable,
  maxEventBytes: number,
): RecordJudge {
  const intake = new Intake({ stream, format, routing, seed: 1, maxEventBytes })
  return (record, partitions) => {
    const reason = intake.accept(record, partitions)
    if (reason === undefined) return undefined
    const cause = intake.cause(record, reason, partitions)
    const misplaced = reason === 'misrouted'
    // How a producer places keys shows only in many of its records, so misplaced records with a
    // key are one kind.
    const kind = misplaced && record.keyEnd > record.keyStart ? reason : cause
    return { misplaced, kind, cause }
  }
}
