import { beginsWithAscii } from '../base/ascii.ts'

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
