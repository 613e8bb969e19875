/**
 * What a client costs a gateway in memory, for bounds that have to be held before anything was measured here. docs/figures.md,
 * "Idle connections": 3,953 bytes resident of which 2,851 are JavaScript's (WebSocket), and 9,565 in the kernel for both ends.
 */
export const sessionCost = {
  residentBytes: 3953,
  heapBytes: 2851,
  /** As which it is counted with one subject of 40 bytes in one partition: docs/operations.md, "Memory". */
  countedBytes: 4902,
  /** One end; what waits unsent or unread comes on top. */
  kernelBytes: 4783,
  /** The process without clients and windows: 167 MiB in all less 10,000 of the above. */
  processBytes: 130 << 20,
  processHeapBytes: 40 << 20,
} as const

/** For so many sessions with one subject each, and half as many again, in steps of 256 MiB. */
export const roomyMiB = (sessions: number): number =>
  Math.ceil((1.5 * sessions * sessionCost.countedBytes) / 2 ** 28) * 256
