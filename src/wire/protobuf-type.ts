import { beginsWithAscii } from '../base/ascii.ts'

const protobufTypes = ['application/x-protobuf', 'application/protobuf', 'application/vnd.google.protobuf'] as const
const semicolon = 0x3b
const space = 0x20

/**
 * Returns whether the content type in bytes [start, end) is one of protobuf's, with any
 * parameters. Decodes nothing.
 */
export function isProtobufType(bytes: Uint8Array, start: number, end: number): boolean {
  for (const type of protobufTypes) if (hasEssence(bytes, start, end, type)) return true
  return false
}

function hasEssence(bytes: Uint8Array, start: number, end: number, type: string): boolean {
  if (!beginsWithAscii(bytes, start, end, type)) return false
  const after = start + type.length
  return after === end || bytes[after] === semicolon || bytes[after] === space
}
