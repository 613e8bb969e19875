import { CarillonError } from '../base/errors.ts'

/** A `bad_frame` whose sender can be told which subscription it was about; 0 = none, or not to be made out. */
export class BadFrame extends CarillonError {
  readonly ref: number

  constructor(message: string, ref: number) {
    super('bad_frame', message)
    this.ref = ref
  }
}
