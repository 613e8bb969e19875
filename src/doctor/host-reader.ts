export interface Runtime {
  readonly nodeVersion: string
  /** V8's limit for JavaScript objects, bytes. */
  readonly heapLimitBytes: number
  /** Options given to Node and V8. */
  readonly flags: readonly string[]
}

/** The system calls that facts are read with. */
export interface HostReader {
  /** Returns the file's text; undefined if it does not exist or is not readable. */
  read(path: string): string | undefined
  /** Returns the names in a directory; empty if it does not exist. */
  list(path: string): readonly string[]
  exists(path: string): boolean
  /** Returns the output of a program; undefined if it does not exist or fails. */
  run(program: string, args: readonly string[]): string | undefined
  /** Returns the file system that the directory is on, or will be on; undefined if unknown. */
  fileSystem(path: string): FileSystem | undefined
  readonly platform: string
  readonly cpus: number
  readonly runtime: Runtime
}

export interface FileSystem {
  /** The kernel's number for its type (statfs). */
  readonly type: number
  readonly freeBytes: number
}
