/**
 * Allocates zeroed memory of the given size in bytes: private to the process, or shared with
 * other processes.
 */
export type Allocate = (bytes: number) => ArrayBufferLike

/** The operating system commits each page on the first write to it. */
export const ownMemory: Allocate = (bytes) => new ArrayBuffer(bytes)
