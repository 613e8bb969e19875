/** Why the gateway can't make an event of a record, and rejects it. */
export const rejectReasons = [
  'bad_envelope',
  'bad_framing',
  'no_subject',
  'bad_subject',
  'foreign_subject',
  'no_route',
  'misrouted',
  'too_large',
] as const
export type RejectReason = (typeof rejectReasons)[number]
