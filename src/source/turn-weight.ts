import type { SourceRecord } from '../log/record.ts'

/** Bytes of a value that count as one more record: a sink may look at each of them. */
const bytesPerRecord = 1024

/** Returns the number of records that one record counts for in a turn. */
export const turnWeight = ({ valueStart, valueEnd }: Pick<SourceRecord, 'valueStart' | 'valueEnd'>): number =>
  1 + Math.floor((valueEnd - valueStart) / bytesPerRecord)
