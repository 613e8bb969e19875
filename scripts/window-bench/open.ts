import { Window } from '../../src/log/window.ts'
import { payloadSlabBytes, slabEntries, WindowPool } from '../../src/log/window-pool.ts'

/** Of the largest event in a gateway, unless it is told otherwise. */
const maxEventBytes = 1024 * 1024 - 300

/** Alone in its pool, with the slabs of a gateway. */
export function openWindow(payloadBytes: number, entries: number): Window {
  const slabs = { payloadSlabBytes: payloadSlabBytes(maxEventBytes), slabEntries }
  return new Window(new WindowPool({ payloadBytes, entries, ...slabs }))
}
