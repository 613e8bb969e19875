import { Argument } from 'commander'
import { CarillonError } from '../base/errors.ts'
import { nearest } from '../base/nearest.ts'

/**
 * Returns an argument that must be one of the choices. Shells complete them; `oneOf` checks it.
 */
export const choiceArgument = (name: string, description: string, choices: readonly string[]): Argument =>
  Object.assign(new Argument(name, description), { argChoices: [...choices] })

/**
 * Returns the choice that equals `text`. Otherwise throws `bad_request` with all choices and the
 * nearest one.
 */
export function oneOf<T extends string>(text: string, choices: readonly T[]): T {
  const found = choices.find((each) => each === text)
  if (found !== undefined) return found
  const near = nearest(text, choices)
  const hint = near === undefined ? '' : `; did you mean ${near}?`
  throw new CarillonError('bad_request', `expected one of ${choices.join(', ')}; got "${text}"${hint}`)
}
