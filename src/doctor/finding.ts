/** Result of a check. `unknown`: this host or broker does not show it; the reason says why. */
export type Level = 'pass' | 'warn' | 'fail' | 'unknown'

/** A finding of the doctor. */
export interface Finding {
  /** Name of the check; docs/doctor.md has a row for it. */
  readonly check: string
  /** The stream concerned, if any. */
  readonly stream?: string
  readonly level: Level
  /** The value found, with its unit. */
  readonly figure: string
  /** One sentence: why that is good, bad, or unknown. */
  readonly reason: string
  /** A command or a line of configuration that fixes it; '' = nothing to do. */
  readonly fix: string
}

export const pass = (check: string, figure: string, reason: string): Finding => {
  return { check, level: 'pass', figure, reason, fix: '' }
}

/** `fix` says where else to look. */
export const unknown = (check: string, reason: string, fix = ''): Finding => {
  return { check, level: 'unknown', figure: 'unknown', reason, fix }
}

export const warn = (check: string, figure: string, reason: string, fix: string): Finding => {
  return { check, level: 'warn', figure, reason, fix }
}

export const fail = (check: string, figure: string, reason: string, fix: string): Finding => {
  return { check, level: 'fail', figure, reason, fix }
}

/** Returns the worst level of all, as a result for scripts; unknown is not a fault. */
export function gravest(findings: readonly Finding[]): Level {
  const levels: readonly Level[] = ['fail', 'warn', 'unknown']
  return levels.find((level) => findings.some((each) => each.level === level)) ?? 'pass'
}
