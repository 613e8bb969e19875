import { type ErrorCode, errors } from './errors.ts'

/**
 * Why a session ended. `client`: the client closed it. `lost`: its socket closed without a close
 * frame. `answered`: a poll got its response. Otherwise the code of the error with which the
 * gateway ended it.
 */
export const endReasons = ['client', 'lost', 'answered', ...(Object.keys(errors) as ErrorCode[])] as const
export type EndReason = (typeof endReasons)[number]
