import { CarillonError } from '../base/errors.ts'
import { misroutedBecause } from './diagnosis.ts'
import { commonSubject } from './pattern.ts'
import { Route, type RouteConfig } from './route.ts'

/** With no configuration: every subject in the stream `events`, by Kafka's own hash of the subject. */
export const defaultRoutes: readonly RouteConfig[] = [{ subjects: '>', stream: 'events', by: { hash: 'murmur2' } }]

/** How many partitions a stream has; may throw where that is not known yet. */
export type PartitionCount = (stream: string) => number

/** Where a published event goes. */
export interface Place {
  readonly stream: string
  /** undefined = several are possible: the publisher chooses. */
  readonly partition: number | undefined
  /** The record's key. */
  readonly key: string
}

/** One route as people read it. */
export interface RouteRow {
  readonly subjects: string
  readonly stream: string
  readonly rule: string
}

/** The same on every gateway: which subjects are in which partitions of which stream. */
export class RoutingTable {
  readonly routes: readonly Route[]
  /** The only route, where it takes every subject. */
  readonly #only: Route | undefined

  /** Throws where two routes can match one subject: which of them it was published by could not be told. */
  constructor(configs: readonly RouteConfig[]) {
    this.routes = configs.map((config) => new Route(config))
    this.#only = this.routes.length === 1 && this.routes[0]!.pattern.all ? this.routes[0] : undefined
    configs.forEach((a, i) => {
      for (const b of configs.slice(i + 1)) {
        const example = commonSubject(a.subjects, b.subjects)
        if (example === undefined) continue
        const said = `the routes "${a.subjects}" and "${b.subjects}" overlap`
        throw new CarillonError('bad_request', `${said}: both match "${example}"; make them disjoint`)
      }
    })
  }

  /** Throws `no_route`, also where the route names a partition that the stream doesn't have. */
  place(subject: string, count: PartitionCount): Place {
    const bytes = Buffer.from(subject)
    const route = this.#require(subject, this.#match(bytes, 0, bytes.length))
    const { stream } = route.config
    const partitions = count(stream)
    const partition = route.partition(bytes, 0, bytes.length, partitions)
    if (partition >= partitions) {
      const said = `"${subject}" belongs in partition ${partition} of stream ${stream}, which has ${partitions} partitions`
      throw new CarillonError('no_route', `${said}: mend the route's ranges or add partitions`)
    }
    if (partition < 0 && !route.covers(bytes, 0, bytes.length)) throw noRange(subject, route)
    return { stream, partition: partition < 0 ? undefined : partition, key: route.key(subject) }
  }

  /** Where events of a subject or pattern can be. Throws `no_route` where none of the routes has any of it. */
  partitionsFor(subject: string, count: PartitionCount): { stream: string; partitions: number[] }[] {
    const routes = this.routes.filter((route) => commonSubject(route.config.subjects, subject) !== undefined)
    this.#require(subject, routes[0])
    const found = new Map<string, Set<number>>()
    for (const route of routes) {
      const { stream } = route.config
      const partitions = found.get(stream) ?? new Set()
      for (const partition of route.partitionsFor(subject, count(stream))) partitions.add(partition)
      found.set(stream, partitions)
    }
    const places = [...found].filter(([, partitions]) => partitions.size > 0)
    if (places.length === 0) throw noRange(subject, routes[0]!)
    return places.map(([stream, partitions]) => ({ stream, partitions: [...partitions].sort((a, b) => a - b) }))
  }

  /** Whether a subject, given as bytes, may be in this partition of this stream. On the hot path. */
  check(
    stream: string,
    partition: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
  ): 'ok' | 'misrouted' | 'no_route' {
    const route = this.#only ?? this.#match(bytes, start, end)
    if (route === undefined || route.config.stream !== stream) return 'no_route'
    if (route.allows(bytes, start, end, partition, count)) return 'ok'
    return route.covers(bytes, start, end) ? 'misrouted' : 'no_route'
  }

  /** What to tell the operator of a record that can't be used. */
  likelyCause(reason: string, key: Buffer | undefined, partition: number, count: number): string {
    switch (reason) {
      case 'misrouted':
        return `it is in a partition that is not its subject's: ${this.#misroutedBecause(key, partition, count)}`
      case 'no_route':
        return 'no route of this stream has its subject: add one, or publish it to the stream of its route'
      case 'no_subject':
        return 'a null value deletes the subject that is its key, and its key is not a subject'
      case 'too_large':
        return 'it is larger than limits.maxEventBytes: raise that, or send a reference to the data instead'
      default:
        return 'its value is not a carillon.v1.Event: see proto/carillon/v1/event.proto'
    }
  }

  rows(): RouteRow[] {
    return this.routes.map(({ config }) => ({
      subjects: config.subjects,
      stream: config.stream,
      rule: ruleText(config),
    }))
  }

  #misroutedBecause(key: Buffer | undefined, partition: number, count: number): string {
    if (this.routes.some(({ hash }) => hash === 'murmur2')) return misroutedBecause(key, partition, count)
    return 'its producer chose another one than its route says: "carillon routes SUBJECT" names the right one'
  }

  #match(bytes: Uint8Array, start: number, end: number): Route | undefined {
    for (const route of this.routes) if (route.pattern.matches(bytes, start, end)) return route
    return undefined
  }

  #require(subject: string, route: Route | undefined): Route {
    if (route !== undefined) return route
    const known = this.routes.map(({ config }) => config.subjects).join(', ')
    throw new CarillonError('no_route', `no route has "${subject}"; the routes are for: ${known}`)
  }
}

function noRange(subject: string, route: Route): CarillonError {
  const said = `"${subject}" is in none of the ranges of the route "${route.config.subjects}"`
  return new CarillonError('no_route', `${said}: give it one`)
}

function ruleText({ by }: RouteConfig): string {
  if ('ranges' in by) {
    return by.ranges
      .map(
        ({ from, to, partitions }) =>
          `["${from}", ${to === undefined ? 'end' : `"${to}"`}) in ${partitions.join(', ')}`,
      )
      .join('; ')
  }
  if (by.tokens === undefined) return by.hash
  return `${by.hash} of the first ${by.tokens === 1 ? 'token' : `${by.tokens} tokens`}`
}
