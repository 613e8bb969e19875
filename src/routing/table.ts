import { absent } from '../base/absent.ts'
import { CarillonError } from '../base/errors.ts'
import { Misrouted } from './diagnosis.ts'
import { hashRuleOf, type RangeRule, type RouteConfig, type RouteRule, rangesOf } from './options.ts'
import { commonSubject } from './pattern.ts'
import { type PartitionOf, Route, undecided } from './route.ts'
import type { SubjectTemplate } from './template.ts'

/** Returns the number of partitions of a stream. May throw while that is unknown. */
export type PartitionCount = (stream: string) => number

/** The place to publish an event. */
export interface PublishDestination {
  readonly stream: string
  /** undefined = several are possible: the publisher chooses. */
  readonly partition: number | undefined
  /** The record's key. */
  readonly key: string
}

/** The place of a record: a partition of a stream with `count` partitions. */
export interface RecordLocation extends PartitionOf {
  readonly stream: string
}

/** One route, formatted for people. */
export interface RouteRow {
  readonly subjects: string
  readonly stream: string
  readonly rule: string
  /** Template of the subject, if it is not the key. */
  readonly subject?: string
}

/** Maps subjects to streams and partitions. All gateways must have the same table. */
export class RoutingTable {
  readonly routes: readonly Route[]
  /** The only route, if it matches every subject. */
  readonly #only: Route | undefined

  /**
   * Throws if two routes can match the same subject, because a record's route would be ambiguous.
   * Throws if routes of one stream have different templates, because a record's subject would be
   * ambiguous.
   */
  constructor(configs: readonly RouteConfig[]) {
    this.routes = configs.map((config) => new Route(config))
    this.#only = this.routes.length === 1 && this.routes[0]!.pattern.all ? this.routes[0] : undefined
    this.routes.forEach((a, i) => {
      for (const b of this.routes.slice(i + 1)) {
        if (a.config.stream === b.config.stream && templateText(a) !== templateText(b)) throw twoTemplates(a, b)
        const example = commonSubject(a.subjects, b.subjects)
        if (example === undefined) continue
        const problem = `the routes "${a.subjects}" and "${b.subjects}" overlap`
        throw new CarillonError('bad_request', `${problem}: both match "${example}"; make them disjoint`)
      }
    })
  }

  /** Returns the template for records of the stream whose keys are not subjects. */
  templateOf(stream: string): SubjectTemplate | undefined {
    return this.routes.find(({ config }) => config.stream === stream)?.template
  }

  /**
   * Returns the place to publish a subject. Throws `no_route`, also if the route names a
   * partition that the stream lacks, or if its subjects are not made from keys.
   */
  place(subject: string, count: PartitionCount): PublishDestination {
    const bytes = Buffer.from(subject)
    const route = this.#require(subject, this.#match(bytes, 0, bytes.length))
    const { stream } = route.config
    if (route.template !== undefined) {
      const problem = `"${subject}" belongs to the route "${route.subjects}", which composes subjects by the template "${route.template.text}"`
      throw new CarillonError(
        'no_route',
        `${problem}: publish to the broker, with the headers and values that it names`,
      )
    }
    const partitions = count(stream)
    const partition = route.partition(bytes, 0, bytes.length, partitions)
    if (partition >= partitions) {
      const problem = `"${subject}" belongs in partition ${partition} of stream ${stream}, which has ${partitions} partitions`
      throw new CarillonError('no_route', `${problem}: correct the route's ranges or add partitions`)
    }
    if (partition === undecided && !route.covers(bytes, 0, bytes.length)) throw noRange(subject, route)
    return { stream, partition: partition === undecided ? undefined : partition, key: route.key(subject) }
  }

  /**
   * Returns the partitions that may hold events of a subject or pattern, by stream. Throws
   * `no_route` if no route matches any of it.
   */
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

  /**
   * Returns the partitions of one stream, which has `count` of them, that may hold events of a
   * subject or pattern; empty if no route matches.
   */
  partitionsIn(stream: string, subject: string, count: number): number[] {
    const isTheirs = ({ config, subjects }: Route) =>
      config.stream === stream && commonSubject(subjects, subject) !== undefined
    return this.routes.filter(isTheirs).flatMap((route) => route.partitionsFor(subject, count))
  }

  /**
   * Returns whether a subject's events may be in several partitions of a stream at the same time.
   */
  isSpread(subject: string): boolean {
    return this.routes.some(({ rule, subjects }) => rule === 'any' && commonSubject(subjects, subject) !== undefined)
  }

  /**
   * Returns whether a subject, given as bytes, may be in this place. On the hot path: reuse the
   * `place` object.
   */
  check(place: RecordLocation, bytes: Uint8Array, start: number, end: number): 'ok' | 'misrouted' | 'no_route' {
    const route = this.#only ?? this.#match(bytes, start, end)
    if (route === undefined || route.config.stream !== place.stream) return 'no_route'
    if (route.allows(place, bytes, start, end)) return 'ok'
    return route.covers(bytes, start, end) ? 'misrouted' : 'no_route'
  }

  /** Returns the prefix that turns a record's key of the stream into a subject. */
  prefixOf(stream: string): string {
    return this.routes.find(({ config }) => config.stream === stream)?.prefix ?? ''
  }

  /**
   * Returns the end of the record key within the subject in bytes [start, end); `absent` if no
   * route matches.
   */
  keyEnd(bytes: Uint8Array, start: number, end: number): number {
    return (this.#only ?? this.#match(bytes, start, end))?.keyEnd(bytes, start, end) ?? absent
  }

  /** Returns a new diagnosis of the stream's misrouted records. */
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
    throw new CarillonError('no_route', `no route matches "${subject}"; the routes are: ${known}`)
  }
}

/** Sorts and removes duplicates. The partitions of one stream usually are in order already. */
function inOrder(partitions: number[]): number[] {
  const areInOrder = partitions.every((partition, i) => i === 0 || partition > partitions[i - 1]!)
  return areInOrder ? partitions : [...new Set(partitions)].sort((a, b) => a - b)
}

function noRange(subject: string, route: Route): CarillonError {
  const problem = `"${subject}" is in none of the ranges of the route "${route.subjects}"`
  return new CarillonError('no_route', `${problem}: add one`)
}

const templateText = ({ template, prefix }: Route): string => template?.text ?? `${prefix}{key}`

function twoTemplates(a: Route, b: Route): CarillonError {
  const { stream } = a.config
  const problem = `the routes of stream ${stream} have the subjects "${templateText(a)}" and "${templateText(b)}"`
  return new CarillonError('bad_request', `${problem}: all routes of a stream need the same one`)
}

/** Whether the route's keys are its subjects. */
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
