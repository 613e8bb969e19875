import { CarillonError } from '../base/errors.ts'
import { validateSubject } from '../subject/subject.ts'

/** What a part of a composed subject is: constant text, or what a record has there. */
export type TemplatePart =
  | { readonly from: 'text'; readonly text: string }
  | { readonly from: 'header'; readonly name: string }
  | { readonly from: 'json'; readonly path: readonly string[] }

/** How subjects come of records whose keys are none. */
export interface SubjectTemplate {
  readonly text: string
  readonly parts: readonly TemplatePart[]
  /** What the subjects that come of it match: `*` for each token that a record has a say in. */
  readonly pattern: string
}

/** `{key}`, or tokens before it as in `orders.{key}`: what stands before the key; undefined = it is another template. */
export function prefixBeforeKey(template: string): string | undefined {
  return /^((?:[^{}]+\.)?)\{key\}$/.exec(template)?.[1]
}

const field = /\{(header|json):([^{}]+)\}/g
/** In place of what a record has there: no subject has it. */
const open = '\0'

/** Whether a route's subjects are composed of something else than keys. */
export const isComposed = (template: string | undefined): boolean =>
  template !== undefined && !template.includes('{key}')

/** Throws `bad_request` where it is none, and `bad_subject` where no subject can come of it. */
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
  if (/[{}]/.test(pattern) || parts.some((part) => part.from === 'json' && part.path.includes(''))) throw none(text)
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

function none(text: string): CarillonError {
  const forms = 'tokens before it as in orders.{key}, or a template of constants, {header:name} and {json:field}'
  return new CarillonError('bad_request', `expected {key}, ${forms}, got "${text}"`)
}
