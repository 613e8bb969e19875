/** What `append` takes; one object is reused. `subjectAt` counts from `eventStart`: the subject's bytes lie inside the event's. */
export interface NewEntry {
  buffer: Buffer
  eventStart: number
  eventEnd: number
  subjectAt: number
  subjectLength: number
  traceBuffer: Buffer
  /** -1 = none. */
  traceStart: number
  traceEnd: number
  offset: number
  timeMs: number
  epoch: number
  hash: number
}

/** What `load` fills: bounds in the pool's memory, valid until a window of it changes. */
export interface Loaded {
  buffer: Buffer
  eventStart: number
  eventEnd: number
  subjectStart: number
  subjectEnd: number
  /** -1 = none. */
  traceStart: number
  traceEnd: number
  offset: number
  timeMs: number
  hash: number
  /** Epoch of this record: the generation of the position behind it; -1 unknown. */
  epoch: number
}

export function loaded(): Loaded {
  return {
    buffer: Buffer.alloc(0),
    eventStart: 0,
    eventEnd: 0,
    subjectStart: 0,
    subjectEnd: 0,
    traceStart: -1,
    traceEnd: -1,
    offset: 0,
    timeMs: 0,
    hash: 0,
    epoch: -1,
  }
}
