import { CarillonError, type ErrorCode, internalText, toCarillonError } from './errors.ts'

/** What is wrong with the broker, its streams or the log is its operator's to know: addresses, commands, rights, paths. Clients are told so much. */
const told: Partial<Record<ErrorCode, string>> = {
  stream_missing: 'a stream that this needs is not on the broker yet: try again later',
  stream_unusable: 'a stream that this needs is set up in a way that the gateway cannot use',
  broker_unavailable: 'the gateway cannot use its broker now: try again later',
  publish_forbidden: 'the gateway may not write to the stream of this subject',
  storage_full: 'the log has no room for more: try again later',
  storage_locked: 'the gateway cannot use its log',
  internal: internalText,
}

/** The error as a client is told of it; `withheld` is the whole text where that is more, for the log. */
export interface ClientError {
  readonly error: CarillonError
  readonly withheld: string | undefined
}

export function forClient(thrown: unknown): ClientError {
  const error = toCarillonError(thrown)
  const { code, message, retryAfterMs } = error
  const text = told[code]
  if (text === undefined || text === message) return { error, withheld: undefined }
  return { error: new CarillonError(code, text, { retryAfterMs, cause: error }), withheld: message }
}
