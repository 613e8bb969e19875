/**
 * Why a client does not receive a stretch of the log, in the order of proto/carillon/v1's enum,
 * which starts at 1.
 */
export const gapReasons = [
  'retention',
  'recreated',
  'rewritten',
  'repartitioned',
  'compacted',
  'budget',
  'unnamed',
  'ttl',
  'latest',
  'collapsed',
  'corrupt',
  'unsupported',
] as const
