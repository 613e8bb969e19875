/** The network functions of the SDK; default: the platform's. */
export interface NetworkOptions {
  /** Replaces the platform's `fetch`. */
  readonly fetch?: typeof fetch
  /**
   * Replaces the platform's WebSocket. A class of your own may add headers, where the platform
   * allows that.
   */
  readonly WebSocket?: new (
    url: string,
    subprotocol: string,
  ) => WebSocket
  /** Headers of each HTTP request. A browser's WebSocket sends cookies only. */
  readonly headers?: Readonly<Record<string, string>>
  /** For each HTTP request: `include` also sends cookies to a gateway of another origin. */
  readonly credentials?: RequestCredentials
}

/** Sends a request, as `fetch` does. */
export type Ask = (url: string, init: Init) => Promise<Response>

type Init = RequestInit & { readonly headers: Readonly<Record<string, string>> }

export function askOf({ fetch: own, headers, credentials }: NetworkOptions): Ask {
  const common = credentials === undefined ? {} : { credentials }
  return (url, init) => (own ?? fetch)(url, { ...init, ...common, headers: { ...init.headers, ...headers } })
}
