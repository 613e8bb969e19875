import { CarillonError } from '../base/errors.ts'
import { validateSubject } from '../subject/subject.ts'

/** A part of a composed subject: constant text, or a value from the record. */
export type TemplatePart =
  | { readonly from: 'text'; readonly text: string }
  | { readonly from: 'header'; readonly name: string }
  | { readonly from: 'json'; readonly path: readonly string[] }

/** Composes subjects for records whose keys are not subjects. */
export interface SubjectTemplate {
  readonly text: string
  readonly parts: readonly TemplatePart[]
  /** Pattern of the composed subjects: `*` for each token that depends on the record. */
  readonly pattern: string
}

/** Returns the prefix in `{key}` or `orders.{key}`; undefined for any other template. */
export function prefixBeforeKey(template: string): string | undefined {
  return /^((?:[^{}]+\.)?)\{key\}$/.exec(template)?.[1]
}

const field = /\{(header|json):([^{}]+)\}/g
/** Placeholder for a value from the record. No subject contains it. */
const open = '\0'

/** Returns whether a route composes subjects from anything else than keys. */
export const isComposed = (template: string | undefined): boolean =>
  template !== undefined && !template.includes('{key}')

/**
 * Parses a template. Throws `bad_request` if it is malformed, and `bad_subject` if it can't make
 * a valid subject.
 */
export function composedTemplate(text: string): SubjectTemplate {
  const parts: TemplatePart[] = []
  let pattern = ''
  let at = 0
  for (const { 0: whole, 1: from, 2: name, index } of text.matchAll(field)) {
    const before = text.slice(at, index)
    if (before !== '') parts.push({ from: 'text', text: before })
    parts.push(from === 'header' ? { from, name: headerName(name!, text) } : { from: 'json', path: name!.split('.') })
    pattern += `${before}${open}`
    at = index + whole.length
  }
  const rest = text.slice(at)
  if (rest !== '') parts.push({ from: 'text', text: rest })
  pattern += rest
  if (/[{}]/.test(pattern) || parts.some((part) => part.from === 'json' && part.path.includes('')))
    throw notATemplate(text)
  validateSubject(pattern.replaceAll(open, 'x'))
  const tokens = pattern.split('.').map((token) => (token.includes(open) ? '*' : token))
  return { text, parts, pattern: tokens.join('.') }
}

function headerName(name: string, template: string): string {
  if (/^[!-~]+$/.test(name)) return name
  throw new CarillonError(
    'bad_request',
    `expected header names of printable ASCII in the template "${template}", got "${name}"`,
  )
}

function notATemplate(text: string): CarillonError {
  const forms = 'tokens before it as in orders.{key}, or a template of constants, {header:name} and {json:field}'
  return new CarillonError('bad_request', `expected {key}, ${forms}, got "${text}"`)
}
