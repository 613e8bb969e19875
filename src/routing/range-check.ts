import { type RouteConfig, rangesOf, ruleOf } from './options.ts'

/**
 * Compares the ranges of one stream's routes with the stream's partitions. Returns the problem as
 * text for people; '' = none.
 */
export function rangeProblem(routes: readonly RouteConfig[], stream: string, count: number): string {
  const rules = routes.filter((route) => route.stream === stream).map(ruleOf)
  const named = new Set(rules.flatMap((rule) => rangesOf(rule).flatMap(({ partitions }) => partitions)))
  if (named.size === 0) return ''
  const has = `stream ${stream} has ${count} partitions`
  const beyond = [...named].filter((partition) => partition >= count).sort((a, b) => a - b)
  if (beyond.length > 0) {
    return `${has}, but its ranges name partition ${beyond.join(', ')}: add partitions, or correct the ranges`
  }
  // A route without ranges may use any partition.
  if (rules.some((rule) => rangesOf(rule).length === 0)) return ''
  const unnamed = Array.from({ length: count }, (_, partition) => partition).filter((each) => !named.has(each))
  if (unnamed.length === 0) return ''
  const skipped = `records in partition ${unnamed.join(', ')} are skipped`
  return `${has}, but its ranges name only ${named.size} of them: ${skipped} until a range names it`
}
