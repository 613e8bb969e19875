/**
 * Declares a room's options: type, default and description. `config/` derives schema, flags,
 * variables, help and docs from them. Rooms never read a configuration.
 */

/**
 * Rules for a text. `expected` explains `pattern`; `check` throws an error with the expected
 * form.
 */
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

/** The form of a value. `value` only carries the type for the compiler and is never set. */
export type Form<T = unknown> = Shape & { readonly value?: T }

/** A whole number. */
export const whole = (least: number, most: number): Form<number> => ({ kind: 'whole', least, most })
export const onOff: Form<boolean> = { kind: 'switch' }
/** One of a few words. `label` names a flag's value in help: `--log-level <level>`. */
export const choice = <T extends string>(label: string, of: readonly T[]): Form<T> => ({ kind: 'choice', label, of })
/** `label` as in `choice`. */
export const text = (label: string, rule: TextRule = {}): Form<string> => ({ kind: 'text', label, rule })
/** A list of texts is a repeated flag. Any other list is only in the file. */
export const list = <T>(each: Form<T>, { least = 0, most = Infinity } = {}): Form<readonly T[]> => {
  return { kind: 'list', each, least, most }
}
/** Values by name. */
export const table = <T>(names: RegExp, each: Form<T>): Form<Readonly<Record<string, T>>> => {
  return { kind: 'table', names, each }
}
export const group = <T>(settings: Settings<T>): Form<T> => ({ kind: 'group', settings })
export const either = <T>(forms: readonly Form<T>[], expected: string): Form<T> => ({ kind: 'either', forms, expected })

/**
 * A problem with values that are valid one by one. `path` is relative to the setting that was
 * checked.
 */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** One option, or a section of options if its form is a group. */
export interface Setting<T = unknown> {
  readonly form: Form<T>
  /** One line for help and docs. */
  readonly about: string
  /** Value if not configured. undefined = optional, or mandatory if `isRequired`. */
  readonly default: T
  /** A shorter form of the default for the docs. */
  readonly written?: unknown
  readonly isRequired?: true
  problems?(value: T): readonly Problem[]
}

export type Settings<T> = { readonly [K in keyof T]-?: Setting<T[K]> }

/** The values of settings. */
export type Values<S> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never }

export const setting = <T>(form: Form<T>, value: NoInfer<T>, about: string): Setting<T> => {
  return { form, about, default: value }
}

export const optional = <T>(form: Form<T>, about = ''): Setting<T | undefined> => ({ form, about, default: undefined })

/**
 * A mandatory setting. Allowed only within a setting that has a default, such as a name in a
 * table.
 */
export const required = <T>(form: Form<T>, about = ''): Setting<T> => {
  return { form, about, default: undefined as T, isRequired: true }
}

/** A group of settings under one name in the file. */
export const section = <T>(
  about: string,
  settings: Settings<T>,
  problems?: (values: NoInfer<T>) => readonly Problem[],
): Setting<T> => {
  const all = { form: group(settings), about, default: defaultsOf(settings), written: {} }
  return problems === undefined ? all : { ...all, problems }
}

/** Returns the default values of settings. */
export function defaultsOf<T>(settings: Settings<T>): T {
  const given = Object.entries<Setting>(settings).filter(([, each]) => each.default !== undefined)
  return Object.fromEntries(given.map(([name, each]) => [name, each.default])) as T
}
