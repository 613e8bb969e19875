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

/** The tabs of one origin that use the same name. */
export interface TabMeeting {
  /** Calls `granted` once this tab is the only one that holds the name. The result gives it up, or the wish for it. */
  lead(name: string, granted: () => void): () => void
  /** What one tab posts, all others hear. */
  join(name: string, heard: (message: unknown) => void): TabChannel
}

export interface TabChannel {
  post(message: unknown): void
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
    online: () => navigator.onLine !== false,
    watch: watchPage,
    // Both are there on https and loopback pages only.
    tabs: 'locks' in navigator && typeof BroadcastChannel !== 'undefined' ? pageTabs : undefined,
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
  const visibility = () => happened(document.visibilityState === 'hidden' ? 'hidden' : 'visible')
  document.addEventListener('visibilitychange', visibility, { signal })
  if (document.visibilityState === 'hidden') happened('hidden')
  return () => over.abort()
}

const pageTabs: TabMeeting = {
  lead(name, granted) {
    const over = new AbortController()
    const hold = () => {
      if (over.signal.aborted) return undefined
      granted()
      return new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve()))
    }
    // It rejects when the wish is given up.
    navigator.locks.request(name, { signal: over.signal }, hold).catch(() => {})
    return () => over.abort()
  },
  join(name, heard) {
    const channel = new BroadcastChannel(name)
    channel.onmessage = ({ data }: MessageEvent<unknown>) => heard(data)
    return { post: (message) => channel.postMessage(message), close: () => channel.close() }
  },
}
