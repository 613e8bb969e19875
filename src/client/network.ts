/** How the SDK reaches the network: the platform's own ways unless given. */
export interface NetworkOptions {
  /** Instead of the platform's. */
  readonly fetch?: typeof fetch
  /** Instead of the platform's, with what it is built by: a class of your own may add headers where the platform can. */
  readonly WebSocket?: new (
    url: string,
    subprotocol: string,
  ) => WebSocket
  /** Of each HTTP request. A browser's WebSocket has cookies only. */
  readonly headers?: Readonly<Record<string, string>>
  /** Of each HTTP request: `include` sends cookies to a gateway of another origin as well. */
  readonly credentials?: RequestCredentials
}

/** As `fetch`. */
export type Ask = (url: string, init: Init) => Promise<Response>

type Init = RequestInit & { readonly headers: Readonly<Record<string, string>> }

export function askOf({ fetch: own, headers, credentials }: NetworkOptions): Ask {
  const common = credentials === undefined ? {} : { credentials }
  return (url, init) => (own ?? fetch)(url, { ...init, ...common, headers: { ...init.headers, ...headers } })
}
