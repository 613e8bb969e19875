import { CarillonError } from '../base/errors.ts'

/**
 * A `bad_frame` that names the subscription concerned, for the error sent to the client; `ref` 0
 * = none or unreadable.
 */
export class BadFrame extends CarillonError {
  readonly ref: number

  constructor(message: string, ref: number) {
    super('bad_frame', message)
    this.ref = ref
  }
}
