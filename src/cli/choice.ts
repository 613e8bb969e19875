import { Argument } from 'commander'
import { CarillonError } from '../base/errors.ts'
import { nearest } from '../base/nearest.ts'

/** An argument that is one of some words: shells complete them, and `oneOf` judges it. */
export const choiceArgument = (name: string, description: string, choices: readonly string[]): Argument =>
  Object.assign(new Argument(name, description), { argChoices: [...choices] })

/** The word that somebody has written. Throws `bad_request` with all words, and with the one that may be meant. */
export function oneOf<T extends string>(text: string, choices: readonly T[]): T {
  const found = choices.find((each) => each === text)
  if (found !== undefined) return found
  const near = nearest(text, choices)
  const hint = near === undefined ? '' : `; did you mean ${near}?`
  throw new CarillonError('bad_request', `expected one of ${choices.join(', ')}; got "${text}"${hint}`)
}
