// First: see there.
import './no-long.ts'

import { carillon } from './generated/carillon.js'

/**
 * The generated protobuf code, with 64-bit integers as numbers: import the messages from here, never from generated/. A
 * number beyond 2^53 is decoded inexactly (check what was decoded); a bigint would be encoded as 0 without a word (the
 * types forbid it). Encoders leave out fields at their defaults, as proto3 says.
 */
export const messages = carillon.v1
