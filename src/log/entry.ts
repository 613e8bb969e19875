import { absent } from '../base/absent.ts'
import { unknownGeneration } from '../base/generation.ts'

/**
 * Argument of `append`; callers reuse one object. `subjectAt` counts from `eventStart`: the
 * subject's bytes are part of the event's.
 */
export interface NewEntry {
  buffer: Buffer
  eventStart: number
  eventEnd: number
  subjectAt: number
  subjectLength: number
  traceBuffer: Buffer
  /** `absent` = none. */
  traceStart: number
  traceEnd: number
  offset: number
  timeMs: number
  generation: number
  hash: number
}

/** Filled by `load`: bounds in the pool's memory, valid until any window of the pool changes. */
export interface StoredEntry {
  buffer: Buffer
  eventStart: number
  eventEnd: number
  subjectStart: number
  subjectEnd: number
  /** `absent` = none. */
  traceStart: number
  traceEnd: number
  offset: number
  timeMs: number
  hash: number
  /** Generation of the position after this record; may be unknown. */
  generation: number
}

export function storedEntry(): StoredEntry {
  return {
    buffer: Buffer.alloc(0),
    eventStart: 0,
    eventEnd: 0,
    subjectStart: 0,
    subjectEnd: 0,
    traceStart: absent,
    traceEnd: absent,
    offset: 0,
    timeMs: 0,
    hash: 0,
    generation: unknownGeneration,
  }
}
