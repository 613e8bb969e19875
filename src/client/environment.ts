import { hashOf } from '../wire/token.ts'

/** Changes around the program. */
export type Happening = 'online' | 'offline' | 'visible' | 'hidden' | 'leaving'

/** The browser, or another platform, as the SDK uses it. */
export interface Environment {
  /** False = certainly no network; true is not reliable. */
  online(): boolean
  /**
   * Reports changes until the returned function is called. Reports a page that is hidden at the
   * start before anything else. `leaving`: the page may not run again.
   */
  watch(happened: (what: Happening) => void): () => void
  /** Lets the tabs of a browser find each other; undefined where there are none. */
  readonly tabs: TabMeeting | undefined
}

/** Locks and channels of the tabs of one origin with the same name, and their worker. */
export interface TabMeeting {
  /**
   * Requests the lock of that name. Calls `granted` once this tab holds it, and the function that
   * `granted` returned when a worker takes the lock away. The returned function releases the lock
   * or withdraws the request.
   */
  lead(name: string, granted: () => () => void): () => void
  /** Joins a channel. All other tabs receive what one tab posts. */
  join(name: string, heard: (message: unknown) => void): TabChannel
}

/** Its functions need no `this`. */
export interface TabChannel {
  post(message: unknown): void
  /**
   * Starts the worker of the channel's name, or connects to it if it runs. `failed`: the script
   * can't be used. Rejects if the platform has no SharedWorker.
   */
  work(script: string | URL, failed: (cause: unknown) => void): Promise<void>
  close(): void
}

/** Always online, always visible, no other tabs: a server, or a test. */
export const plainEnvironment: Environment = {
  online: () => true,
  watch: () => () => {},
  tabs: undefined,
}

/** Returns the environment of the page; the plain one outside of a page. */
export function pageEnvironment(): Environment {
  if (typeof document === 'undefined') return plainEnvironment
  return {
    online: () => navigator.onLine,
    watch: watchPage,
    // Browsers have Web Locks on https and loopback pages only.
    tabs: 'locks' in navigator ? pageTabs : undefined,
  }
}

function watchPage(happened: (what: Happening) => void): () => void {
  const over = new AbortController()
  const { signal } = over
  addEventListener('online', () => happened('online'), { signal })
  addEventListener('offline', () => happened('offline'), { signal })
  // A page from the back/forward cache did not run meanwhile: its connection may be gone.
  addEventListener('pageshow', ({ persisted }) => persisted && happened('visible'), { signal })
  addEventListener('pagehide', () => happened('leaving'), { signal })
  const visibility = () => happened(document.visibilityState)
  document.addEventListener('visibilitychange', visibility, { signal })
  if (document.visibilityState === 'hidden') visibility()
  return () => over.abort()
}

/** `how`: of a worker, which steals the lock at once, also from a frozen tab. */
function lead(name: string, granted: () => () => void, how?: LockOptions): () => void {
  const over = new AbortController()
  const { signal } = over
  let taken: (() => void) | undefined
  const hold = () => {
    if (signal.aborted) return undefined
    taken = granted()
    return new Promise((resolve) => signal.addEventListener('abort', resolve))
  }
  // The promise also rejects when the request is withdrawn.
  navigator.locks.request(name, how ?? { signal }, hold).catch(() => signal.aborted || taken?.())
  return () => over.abort()
}

export const pageTabs = {
  lead,
  join(name: string, heard: (message: unknown) => void): TabChannel {
    const channel = new BroadcastChannel(name)
    channel.onmessage = ({ data }: MessageEvent<unknown>) => heard(data)
    let worker: SharedWorker | undefined
    return {
      post: (message) => channel.postMessage(message),
      async work(script, failed) {
        // A hash, because browsers show the names of workers to users.
        worker = new SharedWorker(script, `${hashOf(name)}`)
        worker.onerror = failed
        worker.port.postMessage(name)
      },
      close() {
        channel.close()
        worker?.port.postMessage(null)
      },
    }
  },
}
