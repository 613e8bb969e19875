import { hashOf } from '../wire/token.ts'

/** What happens around the program. */
export type Happening = 'online' | 'offline' | 'visible' | 'hidden' | 'leaving'

/** What the SDK asks of the browser, or of whatever it runs in. */
export interface Environment {
  /** False = certainly no network; true says little. */
  online(): boolean
  /** Tells changes until the result is called, and first of all where the page is hidden. `leaving`: it may not run again. */
  watch(happened: (what: Happening) => void): () => void
  /** How the tabs of a browser find each other; undefined where there are none. */
  readonly tabs: TabMeeting | undefined
}

/** The tabs of one origin that use the same name, and their worker. */
export interface TabMeeting {
  /**
   * Calls `granted` once this tab is the only one that holds the name, and the result of that when a worker takes it away. Its own result
   * gives it up, or the wish for it.
   */
  lead(name: string, granted: () => () => void): () => void
  /** What one tab posts, all others hear. */
  join(name: string, heard: (message: unknown) => void): TabChannel
}

/** To be called apart from it, too. */
export interface TabChannel {
  post(message: unknown): void
  /** Starts the worker of the channel's name, or finds it where it runs. `failed`: its script can't be used. Rejects where there is none. */
  work(script: string | URL, failed: (cause: unknown) => void): Promise<void>
  close(): void
}

/** Always online, always visible, alone: a server, or a test. */
export const plainEnvironment: Environment = {
  online: () => true,
  watch: () => () => {},
  tabs: undefined,
}

/** The page that this runs in; the plain one where there is none. */
export function pageEnvironment(): Environment {
  if (typeof document === 'undefined') return plainEnvironment
  return {
    online: () => navigator.onLine,
    watch: watchPage,
    // On https and loopback pages only.
    tabs: 'locks' in navigator ? pageTabs : undefined,
  }
}

function watchPage(happened: (what: Happening) => void): () => void {
  const over = new AbortController()
  const { signal } = over
  addEventListener('online', () => happened('online'), { signal })
  addEventListener('offline', () => happened('offline'), { signal })
  // A page that comes out of the back/forward cache was asleep: what it held may be gone.
  addEventListener('pageshow', ({ persisted }) => persisted && happened('visible'), { signal })
  addEventListener('pagehide', () => happened('leaving'), { signal })
  const visibility = () => happened(document.visibilityState)
  document.addEventListener('visibilitychange', visibility, { signal })
  if (document.visibilityState === 'hidden') visibility()
  return () => over.abort()
}

/** `how`, of a worker: it takes the lock at once from whoever holds it, also from a frozen tab. */
function lead(name: string, granted: () => () => void, how?: LockOptions): () => void {
  const over = new AbortController()
  const { signal } = over
  let taken: (() => void) | undefined
  const hold = () => {
    if (signal.aborted) return undefined
    taken = granted()
    return new Promise((resolve) => signal.addEventListener('abort', resolve))
  }
  // It rejects when the wish is given up as well.
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
        // By a hash: browsers show what their workers are called.
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
