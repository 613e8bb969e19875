import { CarillonError } from '../base/errors.ts'
import { shortened, shown } from '../base/shortened.ts'
import { type CloudEvent, checkName, checkRequired, structuredType } from './cloudevent.ts'
import { percentDecoded } from './percent.ts'

/** Of an attribute's header, in lowercase. */
export const attributePrefix = 'ce-'

/** A quoted string of HTTP (RFC 9110, 5.6.4). */
const quotedString = /^"((?:[^"\\]|\\.)*)"$/s
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * What a CloudEvent in binary mode has beside its data, which is the request's body:
 * https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md. `eachHeader` gives names in lowercase. undefined
 * where no attribute is a header, or `Content-Type` says that the body has them. Throws `bad_event` naming the header.
 */
export function cloudEventHeaders(
  eachHeader: (take: (name: string, value: string) => void) => void,
): Omit<CloudEvent, 'data'> | undefined {
  const headers = new Map<string, string>()
  let contentType = ''
  let twice: string | undefined
  eachHeader((name, value) => {
    if (name === 'content-type') contentType = value
    if (!name.startsWith(attributePrefix)) return
    if (headers.has(name)) twice = name
    headers.set(name, value)
  })
  if (headers.size === 0 || contentType.toLowerCase().startsWith(structuredType)) return undefined
  if (twice !== undefined) {
    throw new CarillonError('bad_event', `${shortened(twice)}: expected the header once, got it several times`)
  }
  const attributes = new Map([...headers].map(([name, value]) => [attributeName(name), attributeValue(name, value)]))
  checkRequired(attributes, attributePrefix)
  return { attributes, contentType: contentType || (attributes.get('datacontenttype') ?? '') }
}

function attributeName(header: string): string {
  const name = header.slice(attributePrefix.length)
  checkName(name, attributePrefix)
  if (name !== 'data') return name
  throw new CarillonError('bad_event', `${header}: expected the data in the body, got a header`)
}

/** The server cuts characters beyond ASCII off at the ends of a value, so they are refused wherever they can be seen. */
function attributeValue(header: string, value: string): string {
  if (!/^[\t -~]*$/.test(value)) throw notEncoded(header, value)
  const unquoted = quotedString.exec(value)?.[1]?.replaceAll(/\\(.)/gs, '$1') ?? value
  try {
    return utf8.decode(percentDecoded(Buffer.from(unquoted)))
  } catch {
    throw notEncoded(header, value)
  }
}

function notEncoded(header: string, value: string): CarillonError {
  return new CarillonError('bad_event', `${header}: expected percent-encoded UTF-8, got ${shown(value)}`)
}
