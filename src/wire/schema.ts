// Must come first; see no-long.ts.
import './no-long.ts'

import { carillon } from './generated/carillon.js'

/**
 * The generated protobuf code, with 64-bit integers as numbers. Import the messages from here,
 * never from generated/. Numbers beyond 2^53 decode inexactly, so check them. A bigint would
 * silently encode as 0; the types forbid it. Encoders leave out fields at their defaults, as in
 * proto3.
 */
export const messages = carillon.v1
