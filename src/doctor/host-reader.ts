export interface Runtime {
  readonly nodeVersion: string
  /** V8's bound for JavaScript objects, bytes. */
  readonly heapLimitBytes: number
  /** Options of Node and V8 that were given. */
  readonly flags: readonly string[]
}

/** What the facts are read from. */
export interface HostReader {
  /** The file's text; undefined where it is not there or may not be read. */
  read(path: string): string | undefined
  /** Names in a directory; none where it is not there. */
  list(path: string): readonly string[]
  exists(path: string): boolean
  /** What a program writes, undefined where there is none or it fails. */
  run(program: string, args: readonly string[]): string | undefined
  /** What the directory is on, or will be on; undefined where that can't be told. */
  fileSystem(path: string): FileSystem | undefined
  readonly platform: string
  readonly cpus: number
  readonly runtime: Runtime
}

export interface FileSystem {
  /** The kernel's number for its kind (statfs). */
  readonly type: number
  readonly freeBytes: number
}
