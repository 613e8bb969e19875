/**
 * How a room declares its options: what each may be, its default and what it is for. `config/` makes schema, flags, variables, help and
 * docs of them; a room never reads a configuration.
 */

/** What a text has to be beside a text; `expected` says what `pattern` means, `check` throws what was expected. */
export interface TextRule {
  readonly least?: number
  readonly most?: number
  readonly pattern?: RegExp
  readonly expected?: string
  readonly check?: (text: string) => void
}

type Shape =
  | { readonly kind: 'whole'; readonly least: number; readonly most: number }
  | { readonly kind: 'switch' }
  | { readonly kind: 'choice'; readonly label: string; readonly of: readonly string[] }
  | { readonly kind: 'text'; readonly label: string; readonly rule: TextRule }
  | { readonly kind: 'list'; readonly each: Form; readonly least: number; readonly most: number }
  | { readonly kind: 'table'; readonly names: RegExp; readonly each: Form }
  | { readonly kind: 'group'; readonly settings: Readonly<Record<string, Setting>> }
  | { readonly kind: 'either'; readonly forms: readonly Form[]; readonly expected: string }

/** What a value looks like. `value` gives the compiler its type; no form has it. */
export type Form<T = unknown> = Shape & { readonly value?: T }

/** A whole number. */
export const whole = (least: number, most: number): Form<number> => ({ kind: 'whole', least, most })
export const onOff: Form<boolean> = { kind: 'switch' }
/** One of a few words. `label` is what help calls the value of a flag: `--log-level <level>`. */
export const choice = <T extends string>(label: string, of: readonly T[]): Form<T> => ({ kind: 'choice', label, of })
/** `label`: as with `choice`. */
export const text = (label: string, rule: TextRule = {}): Form<string> => ({ kind: 'text', label, rule })
/** Of texts it is a repeated flag; any other list stands in the file. */
export const list = <T>(each: Form<T>, { least = 0, most = Infinity } = {}): Form<readonly T[]> => {
  return { kind: 'list', each, least, most }
}
/** Values by name. */
export const table = <T>(names: RegExp, each: Form<T>): Form<Readonly<Record<string, T>>> => {
  return { kind: 'table', names, each }
}
export const group = <T>(settings: Settings<T>): Form<T> => ({ kind: 'group', settings })
export const either = <T>(forms: readonly Form<T>[], expected: string): Form<T> => ({ kind: 'either', forms, expected })

/** What is wrong with values that are right one by one; `path` is below the setting that was asked. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** One option, or a section of them where its form is a group. */
export interface Setting<T = unknown> {
  readonly form: Form<T>
  /** One line for help and docs. */
  readonly about: string
  /** What it is where it is not given. undefined = may be left out, or may not where it is `isRequired`. */
  readonly default: T
  /** The default as somebody would write it, where that is shorter. */
  readonly written?: unknown
  readonly isRequired?: true
  problems?(value: T): readonly Problem[]
}

export type Settings<T> = { readonly [K in keyof T]-?: Setting<T[K]> }

/** The values that settings have. */
export type Values<S> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never }

export const setting = <T>(form: Form<T>, value: NoInfer<T>, about: string): Setting<T> => {
  return { form, about, default: value }
}

export const optional = <T>(form: Form<T>, about = ''): Setting<T | undefined> => ({ form, about, default: undefined })

/** Without a default: only below what has one, such as a name in a table. */
export const required = <T>(form: Form<T>, about = ''): Setting<T> => {
  return { form, about, default: undefined as T, isRequired: true }
}

/** Settings under one name of the file. */
export const section = <T>(
  about: string,
  settings: Settings<T>,
  problems?: (values: NoInfer<T>) => readonly Problem[],
): Setting<T> => {
  const all = { form: group(settings), about, default: defaultsOf(settings), written: {} }
  return problems === undefined ? all : { ...all, problems }
}

/** What settings are where nothing is given. */
export function defaultsOf<T>(settings: Settings<T>): T {
  const given = Object.entries<Setting>(settings).filter(([, each]) => each.default !== undefined)
  return Object.fromEntries(given.map(([name, each]) => [name, each.default])) as T
}
