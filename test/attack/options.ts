import { parseArgs } from 'node:util'
import { type AttackName, attackNames, attacks } from './attacks.ts'
import type { Plan } from './run.ts'

/** All attacks at once. */
export const together = 'together'
const defaults = { alone: 20, together: 300 } as const
/** A quiet time says all within so many seconds. */
const maxQuietSeconds = 30

export const usage = `usage: $(bin/find-node) scripts/attack.ts [options]
  --seconds N     how long each attack goes on (${defaults.alone}; all together ${defaults.together})
  --only NAMES    attacks, comma-separated, each alone; '${together}' is all at once (all, and all at once)
  --without NAMES leave these out of '${together}'
  --json          print the outcomes as JSON
  --help          this text

attacks:
${attackNames.map((name) => `  ${name.padEnd(20)} ${attacks[name].about}`).join('\n')}

exit status: 0 the gateway stood them all, 1 not all, 2 it could not be measured, 130 Ctrl-C

example: $(bin/find-node) scripts/attack.ts --only json-pings,${together} --seconds 10`

export interface Options {
  readonly plans: readonly Plan[]
  readonly json: boolean
}

/** Throws what was expected; undefined = help was asked for. */
export function optionsOf(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string' },
      only: { type: 'string', default: [...attackNames, together].join() },
      without: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const { json } = values
  const seconds = secondsOf(values.seconds)
  const without = values.without === '' ? [] : values.without.split(',').map((name) => attackOf('--without', name))
  const plans = values.only.split(',').map((name): Plan => {
    const all = name === together
    const length = seconds ?? (all ? defaults.together : defaults.alone)
    const chosen = all ? attackNames.filter((each) => !without.includes(each)) : [attackOf('--only', name)]
    return { name, attacks: chosen, seconds: length, quietSeconds: Math.min(length, maxQuietSeconds) }
  })
  return { plans, json }
}

function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= 3600) return value
  throw new Error(`--seconds: expected a whole number from 1 to 3600, got ${JSON.stringify(text)}`)
}

function attackOf(flag: string, name: string): AttackName {
  const found = attackNames.find((each) => each === name)
  if (found !== undefined) return found
  throw new Error(`${flag}: expected names of ${attackNames.join(', ')}, got ${JSON.stringify(name)}`)
}
