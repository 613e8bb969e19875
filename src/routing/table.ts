import { absent } from '../base/byte-range.ts'
import { CarillonError } from '../base/errors.ts'
import { Misrouted } from './diagnosis.ts'
import { hashRuleOf, type RangeRule, type RouteConfig, type RouteRule, rangesOf } from './options.ts'
import { commonSubject } from './pattern.ts'
import { type PartitionOf, Route, undecided } from './route.ts'
import type { SubjectTemplate } from './template.ts'

/** How many partitions a stream has; may throw where that is not known yet. */
export type PartitionCount = (stream: string) => number

/** Where a published event goes. */
export interface PublishDestination {
  readonly stream: string
  /** undefined = several are possible: the publisher chooses. */
  readonly partition: number | undefined
  /** The record's key. */
  readonly key: string
}

/** Where a record is: in this partition of a stream of `count`. */
export interface RecordLocation extends PartitionOf {
  readonly stream: string
}

/** One route as people read it. */
export interface RouteRow {
  readonly subjects: string
  readonly stream: string
  readonly rule: string
  /** How subjects come of keys, where they are not the same. */
  readonly subject?: string
}

/** The same on every gateway: which subjects are in which partitions of which stream. */
export class RoutingTable {
  readonly routes: readonly Route[]
  /** The only route, where it takes every subject. */
  readonly #only: Route | undefined

  /**
   * Throws where two routes can match one subject: which of them it was published by could not be told; and where routes of
   * one stream make subjects by different templates: which of them a record is meant for could not be told.
   */
  constructor(configs: readonly RouteConfig[]) {
    this.routes = configs.map((config) => new Route(config))
    this.#only = this.routes.length === 1 && this.routes[0]!.pattern.all ? this.routes[0] : undefined
    this.routes.forEach((a, i) => {
      for (const b of this.routes.slice(i + 1)) {
        if (a.config.stream === b.config.stream && templateText(a) !== templateText(b)) throw twoTemplates(a, b)
        const example = commonSubject(a.subjects, b.subjects)
        if (example === undefined) continue
        const said = `the routes "${a.subjects}" and "${b.subjects}" overlap`
        throw new CarillonError('bad_request', `${said}: both match "${example}"; make them disjoint`)
      }
    })
  }

  /** How subjects of the stream come of records whose keys are none. */
  templateOf(stream: string): SubjectTemplate | undefined {
    return this.routes.find(({ config }) => config.stream === stream)?.template
  }

  /** Throws `no_route`, also where the route names a partition that the stream doesn't have, or where its subjects don't come of keys. */
  place(subject: string, count: PartitionCount): PublishDestination {
    const bytes = Buffer.from(subject)
    const route = this.#require(subject, this.#match(bytes, 0, bytes.length))
    const { stream } = route.config
    if (route.template !== undefined) {
      const said = `"${subject}" belongs to the route "${route.subjects}", whose subjects are composed by the template "${route.template.text}"`
      throw new CarillonError('no_route', `${said}: publish to the broker, with the headers and values that it names`)
    }
    const partitions = count(stream)
    const partition = route.partition(bytes, 0, bytes.length, partitions)
    if (partition >= partitions) {
      const said = `"${subject}" belongs in partition ${partition} of stream ${stream}, which has ${partitions} partitions`
      throw new CarillonError('no_route', `${said}: correct the route's ranges or add partitions`)
    }
    if (partition === undecided && !route.covers(bytes, 0, bytes.length)) throw noRange(subject, route)
    return { stream, partition: partition === undecided ? undefined : partition, key: route.key(subject) }
  }

  /** Where events of a subject or pattern can be. Throws `no_route` where none of the routes has any of it. */
  partitionsFor(subject: string, count: PartitionCount): { stream: string; partitions: number[] }[] {
    const routes = this.routes.filter((route) => commonSubject(route.subjects, subject) !== undefined)
    this.#require(subject, routes[0])
    const found = new Map<string, number[]>()
    for (const route of routes) {
      const { stream } = route.config
      const partitions = route.partitionsFor(subject, count(stream))
      found.set(stream, inOrder([...(found.get(stream) ?? []), ...partitions]))
    }
    const places = [...found].filter(([, partitions]) => partitions.length > 0)
    if (places.length === 0) throw noRange(subject, routes[0]!)
    return places.map(([stream, partitions]) => ({ stream, partitions }))
  }

  /** Where events of a subject or pattern are in a stream of `count` partitions; nowhere where no route has any of it. */
  partitionsIn(stream: string, subject: string, count: number): number[] {
    const isTheirs = ({ config, subjects }: Route) =>
      config.stream === stream && commonSubject(subjects, subject) !== undefined
    return this.routes.filter(isTheirs).flatMap((route) => route.partitionsFor(subject, count))
  }

  /** Whether events of a subject may be in several partitions of a stream at a time. */
  isSpread(subject: string): boolean {
    return this.routes.some(({ rule, subjects }) => rule === 'any' && commonSubject(subjects, subject) !== undefined)
  }

  /** Whether a subject, given as bytes, may be in this place. On the hot path: give the same object again. */
  check(place: RecordLocation, bytes: Uint8Array, start: number, end: number): 'ok' | 'misrouted' | 'no_route' {
    const route = this.#only ?? this.#match(bytes, start, end)
    if (route === undefined || route.config.stream !== place.stream) return 'no_route'
    if (route.allows(place, bytes, start, end)) return 'ok'
    return route.covers(bytes, start, end) ? 'misrouted' : 'no_route'
  }

  /** What the stream's routes put before a record's key, for it to be a subject. */
  prefixOf(stream: string): string {
    return this.routes.find(({ config }) => config.stream === stream)?.prefix ?? ''
  }

  /** Where the record key ends in the subject in bytes [start, end); `absent` where no route has the subject. */
  keyEnd(bytes: Uint8Array, start: number, end: number): number {
    return (this.#only ?? this.#match(bytes, start, end))?.keyEnd(bytes, start, end) ?? absent
  }

  /** What is to be found out of the stream's misrouted records. */
  misroutedOf(stream: string): Misrouted {
    return new Misrouted(this.routes.filter(({ config }) => config.stream === stream))
  }

  rows(): RouteRow[] {
    return this.routes.map((route) => ({
      subjects: route.subjects,
      stream: route.config.stream,
      rule: ruleText(route),
      ...(isPlain(route) ? {} : { subject: templateText(route) }),
    }))
  }

  #match(bytes: Uint8Array, start: number, end: number): Route | undefined {
    for (const route of this.routes) if (route.pattern.matches(bytes, start, end)) return route
    return undefined
  }

  #require(subject: string, route: Route | undefined): Route {
    if (route !== undefined) return route
    const known = this.routes.map(({ subjects }) => subjects).join(', ')
    throw new CarillonError('no_route', `no route matches "${subject}"; the routes are for: ${known}`)
  }
}

/** Each once; as they are where they are in order, as all of a stream's are. */
function inOrder(partitions: number[]): number[] {
  const areInOrder = partitions.every((partition, i) => i === 0 || partition > partitions[i - 1]!)
  return areInOrder ? partitions : [...new Set(partitions)].sort((a, b) => a - b)
}

function noRange(subject: string, route: Route): CarillonError {
  const said = `"${subject}" is not in any range of the route "${route.subjects}"`
  return new CarillonError('no_route', `${said}: give it one`)
}

const templateText = ({ template, prefix }: Route): string => template?.text ?? `${prefix}{key}`

function twoTemplates(a: Route, b: Route): CarillonError {
  const { stream } = a.config
  const said = `the routes of stream ${stream} have the subjects "${templateText(a)}" and "${templateText(b)}"`
  return new CarillonError('bad_request', `${said}: all routes of a stream need the same one`)
}

/** Its keys are its subjects. */
const isPlain = ({ template, prefix }: Route): boolean => template === undefined && prefix === ''

function ruleText(route: Route): string {
  const text = textOf(route.rule)
  if (isPlain(route)) return text
  return `${text}, ${route.rule === 'any' ? 'as' : 'of {key} in'} ${templateText(route)}`
}

function textOf(rule: RouteRule): string {
  if (rule === 'any') return 'any'
  const hash = hashRuleOf(rule)
  if (hash === undefined) return rangesOf(rule).map(rangeText).join('; ')
  const { tokens } = hash
  return tokens === undefined ? hash.hash : `${hash.hash} of the first ${tokens === 1 ? 'token' : `${tokens} tokens`}`
}

function rangeText({ from, to, partitions }: RangeRule): string {
  return `["${from}", ${to === undefined ? 'end' : `"${to}"`}) in ${partitions.join(', ')}`
}
