import { Window } from '../../src/log/window.ts'
import { payloadSlabBytes, slabEntries, WindowPool } from '../../src/log/window-pool.ts'

/** Default size limit of an event in a gateway, bytes. */
const maxEventBytes = 1024 * 1024 - 300

/** Opens a window alone in its pool, with a gateway's slab size. */
export function openWindow(payloadBytes: number, entries: number): Window {
  const slabs = { payloadSlabBytes: payloadSlabBytes(maxEventBytes), slabEntries }
  return new Window(new WindowPool({ payloadBytes, entries, ...slabs }))
}
