import type { Problem, Setting } from '../base/setting.ts'
import { devProblems, tlsProblems } from '../edge/options.ts'
import { windowProblems } from '../log/options.ts'
import { routeProblems } from '../routing/problems.ts'
import { layoutProblems } from '../source/options.ts'
import { type Config, settings } from './config.ts'

/**
 * A check of options of several rooms. `of` are the top-level names it reads, `below` the one
 * that its paths are relative to.
 */
interface Check {
  readonly of: readonly (keyof Config)[]
  readonly below?: keyof Config
  readonly problems: (config: Config) => readonly Problem[]
}

const partitionsOf = ({ streams }: Config) => Object.values(streams).reduce((sum, each) => sum + each.partitions, 0)

const together: readonly Check[] = [
  {
    of: ['broker', 'streams'],
    below: 'streams',
    problems: ({ broker, streams }) => layoutProblems(broker, streams),
  },
  { of: ['dev', 'listen'], problems: devProblems },
  {
    of: ['window', 'limits', 'streams'],
    below: 'window',
    problems: (config) => windowProblems(config.window, partitionsOf(config), config.limits.maxEventBytes),
  },
  { of: ['streams', 'routes'], below: 'routes', problems: ({ streams, routes }) => routeProblems(routes, streams) },
  { of: ['tlsCert', 'tlsKey'], problems: ({ tlsCert, tlsKey }) => tlsProblems(tlsCert, tlsKey) },
]

/** The checks of one section or option, as its room declares them. */
const alone = (Object.entries(settings) as [keyof Config, Setting][]).map(([name, setting]): Check => {
  return { of: [name], below: name, problems: (config) => setting.problems?.(config[name]) ?? [] }
})

const checks = [...together, ...alone]

/**
 * Returns the problems of options that are valid one by one. Skips checks that read a top-level
 * name in `wrong`, because its values are not those configured.
 */
export function problemsOf(config: Config, wrong: ReadonlySet<string> = new Set()): Problem[] {
  return checks
    .filter(({ of }) => !of.some((name) => wrong.has(name)))
    .flatMap(({ below, problems }) => {
      return problems(config).map(({ path, message }) => ({ path: joined(below, path), message }))
    })
}

const joined = (...names: readonly (string | undefined)[]) => names.filter((name) => name).join('.')
