import { JetStreamApiError, jserrors } from '@nats-io/jetstream/internal'
import { errors as natsErrors, type PermissionViolationError } from '@nats-io/transport-node'
import { CarillonError, type ErrorCode } from '../../base/errors.ts'

/** API error numbers (`err_code`) of the server with special handling. */
export const apiCode = {
  insufficientResources: 10023,
  storageExceeded: 10047,
  memoryExceeded: 10028,
  messageTooLarge: 10054,
  nameInUse: 10058,
  noMessage: 10037,
  storeFailed: 10077,
  headersTooLarge: 10097,
  duplicateInProcess: 10158,
  replicasUnsupported: 10074,
} as const

/** Returns whether the stream (or its incarnation) is missing; retrying does not help. */
export function isMissing(error: unknown): boolean {
  return error instanceof jserrors.StreamNotFoundError
}

export function isNoMessage(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === apiCode.noMessage
}

/** Returns whether retrying can't help: the server refused for good. */
export function isFinal(error: unknown): boolean {
  if (error instanceof CarillonError) return error.code !== 'broker_unavailable'
  if (violation(error) !== undefined) return true
  return error instanceof JetStreamApiError && (isLasting(error.status, error.code) || error.status === 404)
}

/**
 * Returns whether a refusal lasts until an operator changes something, by its HTTP-like status and
 * its error number.
 */
export function isLasting(status: number, code: number): boolean {
  return code === apiCode.replicasUnsupported || (status >= 400 && status < 500 && ![404, 408, 429].includes(status))
}

/**
 * Turns an error into one that an operator can act on; `where` names the server and the stream.
 */
export function refusal(error: unknown, where: string): CarillonError {
  if (error instanceof CarillonError) return error
  if (isMissing(error)) {
    return new CarillonError('stream_missing', `${where}: the server has no such stream; create it`, { cause: error })
  }
  return new CarillonError(codeOf(error), `${where}: ${problemText(error)}`, { cause: error })
}

function codeOf(error: unknown): ErrorCode {
  if (violation(error) !== undefined) return 'stream_unusable'
  if (!(error instanceof JetStreamApiError)) return 'broker_unavailable'
  if (error.code === apiCode.storageExceeded || error.code === apiCode.memoryExceeded) return 'storage_full'
  return isLasting(error.status, error.code) ? 'stream_unusable' : 'broker_unavailable'
}

/** Returns the permission violation in an error; for requests it is the error's cause. */
function violation(error: unknown): PermissionViolationError | undefined {
  if (error instanceof natsErrors.PermissionViolationError) return error
  const { cause } = error as { cause?: unknown }
  return cause instanceof natsErrors.PermissionViolationError ? cause : undefined
}

export const deniedText = (subject: string) => `the account may not publish to "${allOf(subject)}": allow it`

/**
 * Replaces the random name of a consumer or inbox, so that the same refusal always has the same
 * text.
 */
const allOf = (subject: string): string => subject.replace(/\.(carillon_)?[0-9A-Za-z]{22}(\..*)?$/, '.>')

/**
 * Explains an error of the client library and the remedy. Contains no secrets, because the
 * library's texts contain none.
 */
export function problemText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const denied = violation(error)
  if (denied?.operation === 'publish') return deniedText(denied.subject)
  if (denied !== undefined) return `the account may not subscribe to "${allOf(denied.subject)}": allow it`
  if (error instanceof jserrors.JetStreamNotEnabled) {
    return 'JetStream does not answer: it is off (start nats-server with -js, and enable it for the account) or just starting'
  }
  if (error instanceof JetStreamApiError) return `the server refuses: ${error.message} (${error.code})`
  if (error instanceof natsErrors.TimeoutError) return 'no answer in time'
  if (error instanceof natsErrors.ClosedConnectionError) return 'the connection ended'
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && !error.message.includes(code) ? `${error.message} (${code})` : error.message
}
