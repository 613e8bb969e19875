/** How a check came out. `unknown`: this host or broker does not show it; the reason says why. */
export type Level = 'pass' | 'warn' | 'fail' | 'unknown'

/** What a check of the doctor found. */
export interface Finding {
  /** Of which docs/doctor.md has a row. */
  readonly check: string
  /** The stream that it is about, where it is about one. */
  readonly stream?: string
  readonly level: Level
  /** What is there, with its unit. */
  readonly figure: string
  /** One sentence: why that is good, bad, or not known. */
  readonly reason: string
  /** A command or a line of a configuration that mends it; '' where nothing has to be done. */
  readonly fix: string
}

export const pass = (check: string, figure: string, reason: string): Finding => {
  return { check, level: 'pass', figure, reason, fix: '' }
}

/** `fix` is for a person who wants to know all the same. */
export const unknown = (check: string, reason: string, fix = ''): Finding => {
  return { check, level: 'unknown', figure: 'unknown', reason, fix }
}

export const warn = (check: string, figure: string, reason: string, fix: string): Finding => {
  return { check, level: 'warn', figure, reason, fix }
}

export const fail = (check: string, figure: string, reason: string, fix: string): Finding => {
  return { check, level: 'fail', figure, reason, fix }
}

/** The gravest level of all, by which a script knows what to do; unknown is no fault. */
export function gravest(findings: readonly Finding[]): Level {
  const levels: readonly Level[] = ['fail', 'warn', 'unknown']
  return levels.find((level) => findings.some((each) => each.level === level)) ?? 'pass'
}
