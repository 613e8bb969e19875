import { shown } from '../base/shortened.ts'
import { decodeBase64 } from './base64.ts'
import { type CloudEvent, checkName, checkRequired } from './cloudevent.ts'
import { JsonFields } from './json-fields.ts'
import { memberTexts } from './json-members.ts'
import { dataForm } from './media-type.ts'

const json = 'application/json'
const encoder = new TextEncoder()

/**
 * Reads a CloudEvent in structured mode
 * (https://github.com/cloudevents/spec/blob/main/cloudevents/formats/json-format.md) from parsed JSON.
 * `text` is the source of `value`: `data` is copied from it unchanged. Throws `bad_event` naming the
 * attribute.
 */
export function readCloudEvent(value: unknown, text: string, path = 'event'): CloudEvent {
  const fields = new JsonFields(value, path, 'bad_event')
  const where = `${path}.`
  const attributes = new Map<string, string>()
  for (const name of fields.names) {
    if (name === 'data' || name === 'data_base64') continue
    checkName(name, where)
    const attribute = attributeOf(fields, name)
    if (attribute !== undefined) attributes.set(name, attribute)
  }
  checkRequired(attributes, where)
  return { attributes, ...dataOf(fields, text, attributes.get('datacontenttype')) }
}

function attributeOf(fields: JsonFields, name: string): string | undefined {
  const value = fields.raw(name)
  switch (typeof value) {
    case 'string':
      return fields.text(name, value)
    case 'boolean':
    case 'number':
      return String(value)
    default:
      if (value === null) return undefined
      throw fields.fail(name, 'a string, a number or a boolean', shown(value))
  }
}

/** Treats null as absent, as for attributes. */
function dataOf(fields: JsonFields, text: string, type = ''): Omit<CloudEvent, 'attributes'> {
  const [data, base64] = [fields.raw('data') ?? undefined, fields.raw('data_base64') ?? undefined]
  if (data !== undefined && base64 !== undefined)
    throw fields.fail('data_base64', 'only one of data and data_base64', 'both')
  if (base64 !== undefined) {
    const bytes = decodeBase64(fields.text('data_base64', base64))
    if (bytes === undefined) throw fields.fail('data_base64', 'base64', shown(base64))
    return { data: bytes, contentType: type }
  }
  if (data === undefined) return { data: new Uint8Array(0), contentType: type }
  const contentType = type === '' ? json : type
  if (dataForm(contentType) === 'json') return { data: encoder.encode(memberTexts(text).get('data')!), contentType }
  if (typeof data === 'string') return { data: encoder.encode(fields.text('data', data)), contentType }
  throw fields.fail('data', `a string, because datacontenttype is ${contentType}`, shown(data))
}
