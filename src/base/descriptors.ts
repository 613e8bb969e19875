/** Open files of a process, and how many of them connections may take: one arithmetic for gateways, plans and load generators. */

/** What a process keeps for itself at most: the broker, the log's files, the admin listener, and room to accept what is then refused. */
export const mostKept = 1000
/** What it keeps at least beyond the files that it has open before its first connection. */
const leastSpare = 96

export interface OpenFileLimits {
  readonly soft: number
  readonly hard: number
}

/** From the text of `/proc/PID/limits`. Infinity = no limit; undefined = the text has no such line. */
export function openFileLimits(text: string): OpenFileLimits | undefined {
  const match = /^Max open files +(\d+|unlimited) +(\d+|unlimited)/m.exec(text)
  if (match === null) return undefined
  const [soft, hard] = match.slice(1).map((each) => (each === 'unlimited' ? Number.POSITIVE_INFINITY : Number(each)))
  return { soft: soft!, hard: hard! }
}

/** Open files that a process keeps of its limit, where `own` are open before its first connection: a quarter, within bounds. */
export function keptDescriptors(limit: number, own: number): number {
  return Math.max(own + leastSpare, Math.min(mostKept, Math.floor(limit / 4)))
}
