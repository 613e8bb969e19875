import { CarillonError, type ErrorCode, internalText, toCarillonError } from './errors.ts'

/**
 * Messages for clients. Details of the broker, its streams and the log (addresses, commands,
 * rights, paths) are for the operator only.
 */
const clientTexts: Partial<Record<ErrorCode, string>> = {
  stream_missing: 'a required stream is not on the broker yet: try again later',
  stream_unusable: 'the gateway cannot use a required stream: its configuration or permissions do not allow it',
  broker_unavailable: 'the gateway cannot use its broker now: try again later',
  publish_forbidden: 'the gateway may not write to the stream of this subject',
  storage_full: 'the log is full: try again later',
  storage_locked: 'the gateway cannot use its log',
  internal: internalText,
}

/** The error to send to a client. `withheld` is the full message for the log, if it says more. */
export interface ClientError {
  readonly error: CarillonError
  readonly withheld: string | undefined
}

export function forClient(thrown: unknown): ClientError {
  const error = toCarillonError(thrown)
  const { code, message, retryAfterMs } = error
  const text = clientTexts[code]
  if (text === undefined || text === message) return { error, withheld: undefined }
  return { error: new CarillonError(code, text, { retryAfterMs, cause: error }), withheld: message }
}
