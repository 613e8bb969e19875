import { CarillonError } from '../base/errors.ts'
import { shortened, shown } from '../base/shortened.ts'
import { validateSubject } from '../subject/subject.ts'
import { type Event, makeEvent, unknownPublishedAtUs } from './frames.ts'
import { noTime, rfc3339Us } from './rfc3339.ts'

/** A CloudEvent 1.x, in any mode. */
export interface CloudEvent {
  /**
   * Attributes and extensions as strings, by name; null ones are left out. `specversion`, `id`,
   * `source` and `type` are always present.
   */
  readonly attributes: ReadonlyMap<string, string>
  readonly data: Uint8Array
  /**
   * Content type of the data: `datacontenttype`, or else the type that the data's form implies;
   * empty = unknown.
   */
  readonly contentType: string
}

/**
 * Prefix, in any case, of the content type of a record or request whose value is one or more
 * CloudEvents.
 */
export const structuredType = 'application/cloudevents'

const required = ['specversion', 'id', 'source', 'type'] as const
const encoder = new TextEncoder()

/** Throws `bad_event` unless an attribute can have that name. `where`: prefix of names in messages, such as `ce-`. */
export function checkName(name: string, where: string): void {
  if (/^[a-z0-9]+$/.test(name)) return
  const said = 'expected a name of lowercase letters and digits, got other characters'
  throw new CarillonError('bad_event', `${where}${shortened(name)}: ${said}`)
}

/** Throws `bad_event` unless all required attributes of CloudEvents 1.x are present. `where` as in `checkName`. */
export function checkRequired(attributes: CloudEvent['attributes'], where: string): void {
  for (const name of required) {
    if (attributes.get(name)) continue
    throw new CarillonError(
      'bad_event',
      `${where}${name}: expected a value, which CloudEvents 1.x requires, got nothing`,
    )
  }
  const version = attributes.get('specversion')!
  if (version.startsWith('1.')) return
  throw new CarillonError('bad_event', `${where}specversion: expected 1.x, got ${shown(version)}`)
}

/** Attributes that become fields of an event, or carry no information. */
const fieldNames = new Set(['specversion', 'id', 'type', 'subject', 'time', 'datacontenttype'])

/**
 * Returns an event to publish, whose subject is the attribute `subject`. Throws `bad_event` and
 * `bad_subject`. `where` as in `checkName`. Subscribers never see the attributes in `hidden`.
 */
export function eventFromCloudEvent(cloudEvent: CloudEvent, where: string, hidden: readonly string[]): Event {
  const { attributes, data, contentType } = cloudEvent
  const others = [...attributes].filter(([name]) => !fieldNames.has(name) && !hidden.includes(name))
  return makeEvent({
    subject: subjectOf(attributes, where),
    id: attributes.get('id')!,
    type: attributes.get('type')!,
    contentType,
    data,
    publishedAtUs: timeOf(attributes, where),
    attributes: Object.fromEntries(others),
  })
}

function subjectOf(attributes: CloudEvent['attributes'], where: string): string {
  const subject = attributes.get('subject')
  if (subject === undefined) {
    throw new CarillonError('bad_subject', `${where}subject: expected the subject to publish to, got nothing`)
  }
  try {
    validateSubject(subject)
    return subject
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error
    throw new CarillonError(error.code, `${where}subject: ${error.message}`)
  }
}

/** Returns Unix µs. */
function timeOf(attributes: CloudEvent['attributes'], where: string): number {
  const text = attributes.get('time')
  if (text === undefined) return unknownPublishedAtUs
  const bytes = encoder.encode(text)
  const us = rfc3339Us(bytes, 0, bytes.length)
  if (us !== noTime && us > 0) return us
  throw new CarillonError('bad_event', `${where}time: expected an RFC 3339 time since 1970, got ${shown(text)}`)
}
