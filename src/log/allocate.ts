/** Zeroed memory of so many bytes: a process's own, or what it shares with others. */
export type Allocate = (bytes: number) => ArrayBufferLike

/** The operating system gives its pages when they are first written. */
export const ownMemory: Allocate = (bytes) => new ArrayBuffer(bytes)
