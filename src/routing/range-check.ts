import { type RouteConfig, rangesOf, ruleOf } from './options.ts'

/** What the routes by ranges of one stream name, held against the partitions that it has: what is wrong, for people; '' = nothing. */
export function rangeProblem(routes: readonly RouteConfig[], stream: string, count: number): string {
  const rules = routes.filter((route) => route.stream === stream).map(ruleOf)
  const named = new Set(rules.flatMap((rule) => rangesOf(rule).flatMap(({ partitions }) => partitions)))
  if (named.size === 0) return ''
  const has = `stream ${stream} has ${count} partitions`
  const beyond = [...named].filter((partition) => partition >= count).sort((a, b) => a - b)
  if (beyond.length > 0) {
    return `${has}, but its ranges name partition ${beyond.join(', ')}: add partitions, or correct the ranges`
  }
  // All others may use any.
  if (rules.some((rule) => rangesOf(rule).length === 0)) return ''
  const unnamed = Array.from({ length: count }, (_, partition) => partition).filter((each) => !named.has(each))
  if (unnamed.length === 0) return ''
  const skipped = `records in partition ${unnamed.join(', ')} are skipped`
  return `${has}, but its ranges name only ${named.size} of them: ${skipped} until a range names it`
}
