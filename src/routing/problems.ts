import type { Problem } from '../base/setting.ts'
import type { RouteConfig } from './options.ts'
import { RoutingTable } from './table.ts'

/** What routes have to know of a stream. */
interface RoutedStream {
  readonly format: string
  readonly layout: string
}

/** What is wrong with routes that are right one by one. */
export function routeProblems(
  routes: readonly RouteConfig[],
  streams: Readonly<Record<string, RoutedStream>>,
): Problem[] {
  return [...routes.flatMap((each, i) => problemsOf(each, `${i}`, streams)), ...tableProblems(routes)]
}

function problemsOf(route: RouteConfig, path: string, streams: Readonly<Record<string, RoutedStream>>): Problem[] {
  const { by, stream: name } = route
  const found: Problem[] = []
  const stream = Object.hasOwn(streams, name) ? streams[name]! : undefined
  if (stream === undefined) {
    const message = `expected one of the streams ${Object.keys(streams).join(', ')}, got "${name}"`
    found.push({ path: `${path}.stream`, message })
  } else if (stream.layout === 'single' && 'hash' in by && by.tokens !== undefined) {
    const said = `expected no tokens for ${name}, whose layout is single, got ${by.tokens}`
    found.push({
      path: `${path}.by`,
      message: `${said}: its one partition has every subject, and its keys are the subjects`,
    })
  } else if (stream.format === 'raw' && 'hash' in by && by.hash === 'murmur2' && by.tokens !== undefined) {
    const said = `expected no tokens for the raw stream ${name}, got ${by.tokens}`
    const message = `${said}: its subjects are its keys, and Kafka's producers hash a key as a whole`
    found.push({ path: `${path}.by`, message })
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
