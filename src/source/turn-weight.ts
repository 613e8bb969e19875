import type { SourceRecord } from '../log/record.ts'

/** Bytes of a value that count as one more record: what takes a record may look at each of them. */
const bytesPerRecord = 1024

/** How many records of a turn one counts for. */
export const turnWeight = ({ valueStart, valueEnd }: Pick<SourceRecord, 'valueStart' | 'valueEnd'>): number =>
  1 + Math.floor((valueEnd - valueStart) / bytesPerRecord)
