import type { Problem } from '../base/setting.ts'
import { hashRuleOf, type RouteConfig, type RouteHash, ruleOf } from './options.ts'
import { RoutingTable } from './table.ts'
import { isComposed } from './template.ts'

/** The properties of a stream that routes depend on. */
interface RoutedStream {
  readonly format: string
  readonly layout: string
}

/**
 * The hashes of Kafka's producers, which use the whole key. A raw record's key is its subject.
 */
const ofWholeKeys: ReadonlySet<RouteHash | undefined> = new Set(['java', 'librdkafka', 'sarama'])

/** Returns the problems of routes in combination with streams and with each other. */
export function routeProblems(
  routes: readonly RouteConfig[],
  streams: Readonly<Record<string, RoutedStream>>,
): Problem[] {
  return [...routes.flatMap((each, i) => problemsOf(each, `${i}`, streams)), ...tableProblems(routes)]
}

function problemsOf(route: RouteConfig, path: string, streams: Readonly<Record<string, RoutedStream>>): Problem[] {
  const { stream: name } = route
  const rule = hashRuleOf(ruleOf(route))
  const found: Problem[] = []
  const stream = Object.hasOwn(streams, name) ? streams[name]! : undefined
  if (stream === undefined) {
    const message = `expected one of the streams ${Object.keys(streams).join(', ')}, got "${name}"`
    found.push({ path: `${path}.stream`, message })
  } else if (stream.layout === 'single' && rule?.tokens !== undefined) {
    const expected = `expected no tokens for ${name}, whose layout is single, got ${rule.tokens}`
    found.push({
      path: `${path}.by`,
      message: `${expected}: its one partition has every subject, and its keys are the subjects`,
    })
  } else if (stream.format === 'raw' && ofWholeKeys.has(rule?.hash) && rule?.tokens !== undefined) {
    const expected = `expected no tokens for the raw stream ${name}, got ${rule.tokens}`
    const message = `${expected}: its subjects are its keys, and Kafka's producers hash a key as a whole`
    found.push({ path: `${path}.by`, message })
  }
  if (stream !== undefined && stream.format !== 'raw' && isComposed(route.subject)) {
    const expected = `expected {key} in the subject of the ${stream.format} stream ${name}, got "${route.subject}"`
    found.push({ path: `${path}.subject`, message: `${expected}: only raw records lack a subject` })
  }
  if (route.subjects === undefined && route.subject === undefined) {
    const message = 'expected subjects (a pattern) or subject (a template such as orders.{key}), got neither'
    found.push({ path, message })
  }
  return found
}

function tableProblems(routes: readonly RouteConfig[]): Problem[] {
  try {
    new RoutingTable(routes)
    return []
  } catch (error) {
    return [{ path: '', message: (error as Error).message }]
  }
}
