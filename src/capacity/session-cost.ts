/**
 * Memory cost of a client on a gateway, for estimates before anything is measured on this host.
 * From docs/figures.md, "Idle connections": 3,953 bytes resident, of which 2,851 are JavaScript's
 * (WebSocket), and 9,565 in the kernel for both ends.
 */
export const sessionCost = {
  residentBytes: 3953,
  heapBytes: 2851,
  /**
   * Bytes that the limits count for it with one subject of 40 bytes in one partition:
   * docs/operations.md, "Memory".
   */
  countedBytes: 4902,
  /** One end; unsent and unread data is extra. */
  kernelBytes: 4783,
  /** The process without clients and windows: a total of 167 MiB minus 10,000 of the above. */
  processBytes: 130 << 20,
  processHeapBytes: 40 << 20,
} as const

/**
 * Returns a memory limit for `sessions` with one subject each, plus half, in steps of 256 MiB.
 */
export const roomyMiB = (sessions: number): number =>
  Math.ceil((1.5 * sessions * sessionCost.countedBytes) / 2 ** 28) * 256
