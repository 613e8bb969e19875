import { names, namesOption, script, whole } from '../command/command.ts'
import { type AttackName, attackNames, attacks } from './attacks.ts'
import type { Plan } from './run.ts'

/** All attacks at once. */
export const together = 'together'
const defaults = { alone: 20, together: 300 } as const
/** A quiet time says all within so many seconds. */
const maxQuietSeconds = 30

export interface Options {
  readonly seconds?: number
  readonly only: readonly (AttackName | typeof together)[]
  readonly without?: readonly AttackName[]
  readonly json?: boolean
}

export const command = () =>
  script(
    'attack',
    'Attack a gateway that has honest clients, with each attack alone and with all at once, and check whether these clients are affected.',
  )
    .option(
      '--seconds <count>',
      `duration of each attack (default: ${defaults.alone}; all together ${defaults.together})`,
      whole(1, 3600),
    )
    .addOption(
      namesOption('--only <names>', `attacks, each alone; '${together}' is all at once`, [...attackNames, together]),
    )
    .option('--without <names>', `exclude these from '${together}', comma-separated`, names(attackNames))
    .option('--json', 'print the outcomes as JSON')
    .addHelpText('after', more)

const more = `
Attacks:
${attackNames.map((name) => `  ${name.padEnd(20)} ${attacks[name].about}`).join('\n')}

Exit status: 0 the gateway withstood every attack, 1 it did not, 2 measuring was not possible, 130 Ctrl-C.

Example: $(bin/find-node) scripts/attack.ts --only json-pings,${together} --seconds 10`

export function plansOf({ seconds, only, without = [] }: Options): Plan[] {
  return only.map((name): Plan => {
    const all = name === together
    const length = seconds ?? (all ? defaults.together : defaults.alone)
    const chosen = all ? attackNames.filter((each) => !without.includes(each)) : [name]
    return { name, attacks: chosen, seconds: length, quietSeconds: Math.min(length, maxQuietSeconds) }
  })
}
