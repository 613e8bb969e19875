import type { Form, Setting } from '../base/setting.ts'
import { settings } from './config.ts'

/** One option, set by a flag, a variable or a key of the file. */
export interface Option {
  /** `limits.maxSessions` */
  readonly path: string
  /** `--limits-max-sessions` */
  readonly flag: string
  /** `CARILLON_LIMITS_MAX_SESSIONS` */
  readonly variable: string
  readonly description: string
  readonly kind: 'text' | 'number' | 'switch' | 'list' | 'structure'
  /** Name of the value in help, if the option's name contains no unit: `file`, `host:port`. */
  readonly label: string | undefined
  /**
   * Short description of accepted values: `a whole number from 1 to 256`; undefined if there is
   * none.
   */
  readonly accepts: string | undefined
  /** The accepted words of a choice. */
  readonly choices: readonly string[] | undefined
  readonly default: unknown
}

export const options: readonly Option[] = optionsOf(settings, [])

/** Descriptions of the sections of the file, such as `limits`. */
export const sections: ReadonlyMap<string, string> = new Map(
  Object.entries<Setting>(settings).flatMap(([name, { form, about }]) =>
    form.kind === 'group' ? [[name, about]] : [],
  ),
)

function optionsOf(settings: Readonly<Record<string, Setting>>, above: readonly string[]): Option[] {
  return Object.entries(settings).flatMap(([name, { form, about, ...setting }]) => {
    const path = [...above, name]
    if (form.kind === 'group') return optionsOf(form.settings, path)
    const words = path.map((part) => part.replace('MiB', 'Mib').replace(/([a-z0-9])([A-Z])/g, '$1-$2'))
    const joined = words.join('-')
    return [
      {
        path: path.join('.'),
        flag: `--${joined.toLowerCase()}`,
        variable: `CARILLON_${joined.replaceAll('-', '_').toUpperCase()}`,
        description: about,
        kind: kindOf(form),
        label: labelOf(form),
        accepts: acceptedBy(form),
        choices: form.kind === 'choice' ? form.of : undefined,
        default: setting.written ?? setting.default,
      },
    ]
  })
}

function kindOf(form: Form): Option['kind'] {
  switch (form.kind) {
    case 'whole':
      return 'number'
    case 'switch':
      return 'switch'
    case 'choice':
    case 'text':
      return 'text'
    case 'list':
      return form.each.kind === 'text' ? 'list' : 'structure'
    default:
      return 'structure'
  }
}

function labelOf(form: Form): string | undefined {
  if (form.kind === 'choice' || form.kind === 'text') return form.label
  if (kindOf(form) === 'structure') return 'yaml'
  return form.kind === 'list' ? labelOf(form.each) : undefined
}

function acceptedBy(form: Form): string | undefined {
  switch (form.kind) {
    case 'whole':
      return `a whole number from ${form.least} to ${form.most}`
    case 'choice':
      return `one of ${form.of.join(', ')}`
    case 'switch':
      return 'true or false'
    default:
      return undefined
  }
}
