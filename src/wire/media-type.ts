import { beginsWithAscii } from '../base/ascii.ts'

/** How a JSON client is given an event's data: JSON as it is, text as a string, anything else in base64. */
export type DataForm = 'json' | 'text' | 'base64'

/**
 * JSON: application/json and any +json. Text: text/* in UTF-8, which is also what no charset means. What the bytes really
 * are is another question: data that is not of its form goes as base64.
 */
export function dataForm(contentType: string): DataForm {
  if (contentType === 'application/json') return 'json'
  if (contentType === '') return 'base64'
  const semicolon = contentType.indexOf(';')
  const essence = (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
  if (essence === 'application/json' || (essence.includes('/') && essence.endsWith('+json'))) return 'json'
  if (!essence.startsWith('text/')) return 'base64'
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(contentType)?.[1]?.toLowerCase() ?? 'utf-8'
  return charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii' ? 'text' : 'base64'
}

const protobufTypes = ['application/x-protobuf', 'application/protobuf', 'application/vnd.google.protobuf'] as const
const semicolon = 0x3b
const space = 0x20

/** Whether the content type in bytes [start, end) is one of protobuf's, whatever its parameters. Nothing is decoded. */
export function isProtobufType(bytes: Uint8Array, start: number, end: number): boolean {
  for (const type of protobufTypes) if (hasEssence(bytes, start, end, type)) return true
  return false
}

function hasEssence(bytes: Uint8Array, start: number, end: number, type: string): boolean {
  if (!beginsWithAscii(bytes, start, end, type)) return false
  const behind = start + type.length
  return behind === end || bytes[behind] === semicolon || bytes[behind] === space
}
