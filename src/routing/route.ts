import { CarillonError } from '../base/errors.ts'
import { crc32, fnv1a, fnv1aStart, murmur2 } from '../base/hash.ts'
import { firstTokens, isPattern, tokens, validatePattern, validateSubject } from '../subject/subject.ts'
import {
  type HashRule,
  hashRuleOf,
  javas,
  type RangeRule,
  type RouteConfig,
  type RouteRule,
  rangesOf,
  ruleOf,
} from './options.ts'
import { BytePattern, commonSubject, tokenEnd } from './pattern.ts'
import { composedTemplate, prefixBeforeKey, type SubjectTemplate } from './template.ts'

interface Range {
  readonly from: Buffer
  readonly to: Buffer | undefined
  readonly partitions: readonly number[]
}

type BytesHash = (bytes: Uint8Array, start: number, end: number) => number

/** Hashes that are never negative. The partition is the hash modulo the partition count. */
export const hashes: Readonly<Record<Exclude<HashRule['hash'], 'nats'>, BytesHash>> = {
  java: (bytes, start, end) => murmur2(bytes, start, end) & 0x7fffffff,
  librdkafka: crc32,
  // Sarama takes the absolute value of a negative remainder, which gives the same partition.
  sarama: (bytes, start, end) => Math.abs(fnv1a(bytes, start, end) | 0),
  'nats-subject': (bytes, start, end) => fnv1a(bytes, start, end),
}

/** Sentinel partition: several are possible, or none. */
export const undecided = -1

/** A partition of a stream with `count` partitions. */
export interface PartitionOf {
  readonly partition: number
  readonly count: number
}

/** One compiled route. Its methods expect subjects that its pattern matches. */
export class Route {
  readonly config: RouteConfig
  readonly rule: RouteRule
  readonly subjects: string
  /** Prefix of the record's key in the subject: tokens, each followed by a dot. Usually empty. */
  readonly prefix: string
  /** Composes subjects of records whose keys are not subjects. */
  readonly template: SubjectTemplate | undefined
  readonly pattern: BytePattern
  /** Pattern of the keys. */
  readonly #keys: BytePattern
  readonly #prefixBytes: number
  readonly #any: boolean
  readonly #hash: HashRule | undefined
  readonly #ranges: readonly Range[]

  constructor(config: RouteConfig) {
    this.config = config
    this.template = templateOf(config)
    this.prefix = this.template === undefined ? prefixOf(config) : ''
    this.subjects = config.subjects ?? this.template?.pattern ?? `${this.prefix}>`
    validatePattern(this.subjects)
    this.pattern = new BytePattern(this.subjects)
    this.#keys = new BytePattern(keyPattern(this.subjects, this.prefix))
    this.#prefixBytes = Buffer.byteLength(this.prefix)
    this.rule = ruleOf(config)
    this.#any = this.rule === 'any'
    this.#hash = hashRuleOf(this.rule)
    this.#ranges = compileRanges(this.subjects, rangesOf(this.rule))
  }

  /** Returns the record key of a subject. */
  key(subject: string): string {
    const key = subject.slice(this.prefix.length)
    const count = this.#keyTokens
    return count === undefined ? key : firstTokens(key, count)
  }

  /** Returns the end of the record key within the subject in bytes [start, end). */
  keyEnd(bytes: Uint8Array, start: number, end: number): number {
    const count = this.#keyTokens
    return count === undefined ? end : endOfTokens(bytes, start + this.#prefixBytes, end, count)
  }

  /** Number of tokens in the key; undefined = all. */
  get #keyTokens(): number | undefined {
    return this.#hash?.hash === 'nats' ? undefined : this.#hash?.tokens
  }

  /** Returns whether the route places the subject. A route by ranges may have no range for it. */
  covers(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#any || this.#hash !== undefined || this.#range(bytes, start + this.#prefixBytes, end) !== undefined
  }

  /** Returns the partition in which gateways publish the subject, or `undecided`. */
  partition(bytes: Uint8Array, start: number, end: number, count: number): number {
    const keyStart = start + this.#prefixBytes
    if (this.#any) return this.#hashOf(javas, bytes, keyStart, end) % count
    if (this.#hash === undefined) {
      const partitions = this.#range(bytes, keyStart, end)?.partitions
      return partitions?.length === 1 ? partitions[0]! : undecided
    }
    return this.#hashOf(this.#hash, bytes, keyStart, end) % count
  }

  /** Returns whether the subject's events may be in this partition. */
  allows({ partition, count }: PartitionOf, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#any) return true
    if (this.#hash !== undefined) return this.partition(bytes, start, end, count) === partition
    return this.#range(bytes, start + this.#prefixBytes, end)?.partitions.includes(partition) === true
  }

  /**
   * Returns the partitions that may hold events of a subject or pattern that this route matches.
   */
  partitionsFor(subject: string, count: number): number[] {
    if (this.#any) return [...Array(count).keys()]
    const keys = keyPattern(subject, this.prefix)
    if (this.#hash === undefined) return this.#rangePartitions(keys).filter((partition) => partition < count)
    const fixed = this.#fixedPart(keys, this.#hash)
    if (fixed === undefined) return [...Array(count).keys()]
    const bytes = Buffer.from(fixed)
    return [this.#hashOf(this.#hash, bytes, 0, bytes.length) % count]
  }

  /**
   * Returns a key that has the same partition as all keys that `keys` matches; undefined if they
   * may have different ones.
   */
  #fixedPart(keys: string, rule: HashRule): string | undefined {
    if (!isPattern(keys)) return keys
    if (rule.tokens === undefined) return undefined
    const parts = tokens(keys)
    let counted = 0
    for (let i = 0; i < parts.length && parts[i] !== '>'; i++) {
      const literal = rule.hash === 'nats' && this.#keys.isLiteral(i)
      if (!literal && parts[i] === '*') return undefined
      if (!literal && ++counted === rule.tokens) return parts.slice(0, i + 1).join('.')
    }
    return undefined
  }

  /**
   * Hashes the key in bytes [start, end). The partition is the hash modulo the partition count.
   */
  #hashOf(rule: HashRule, bytes: Uint8Array, start: number, end: number): number {
    const { hash, tokens } = rule
    if (hash === 'nats') return this.#hashOpenTokens(rule, bytes, start, end)
    return hashes[hash](bytes, start, tokens === undefined ? end : endOfTokens(bytes, start, end, tokens))
  }

  #hashOpenTokens({ tokens }: HashRule, bytes: Uint8Array, start: number, end: number): number {
    const most = tokens ?? Number.POSITIVE_INFINITY
    let state = fnv1aStart
    let counted = 0
    for (let at = start, index = 0; at <= end && counted < most; index++) {
      const next = tokenEnd(bytes, at, end)
      if (!this.#keys.isLiteral(index)) {
        state = fnv1a(bytes, at, next, state)
        counted++
      }
      at = next + 1
    }
    return state
  }

  #range(bytes: Uint8Array, start: number, end: number): Range | undefined {
    return this.#ranges.find(({ from, to }) => {
      if (compare(from, bytes, start, end) > 0) return false
      return to === undefined || compare(to, bytes, start, end) > 0
    })
  }

  #rangePartitions(keys: string): number[] {
    const bytes = Buffer.from(keys)
    const ranges = isPattern(keys) ? this.#rangesBelow(keys) : [this.#range(bytes, 0, bytes.length)]
    const found = new Set(ranges.flatMap((range) => range?.partitions ?? []))
    return [...found].sort((a, b) => a - b)
  }

  /**
   * Returns the ranges that may hold a key of the pattern: such keys share the text before the
   * first wildcard.
   */
  #rangesBelow(pattern: string): Range[] {
    const first = Buffer.from(pattern.slice(0, pattern.search(/[*>]/)))
    if (first.length === 0) return [...this.#ranges]
    // The prefix ends with a dot, so incrementing that byte yields its upper bound.
    const beyond = Buffer.from(first)
    beyond[beyond.length - 1]! += 1
    return this.#ranges.filter(
      ({ from, to }) => from.compare(beyond) < 0 && (to === undefined || to.compare(first) > 0),
    )
  }
}

/**
 * Returns the template, or undefined if the subject is a prefix and the key. Throws if the
 * template is invalid, if it can't make any subject of the route's pattern, or if the route's
 * rule places subjects by key.
 */
function templateOf(config: RouteConfig): SubjectTemplate | undefined {
  const { subjects, subject } = config
  if (subject === undefined || prefixBeforeKey(subject) !== undefined) return undefined
  const template = composedTemplate(subject)
  if (ruleOf(config) !== 'any') {
    const expected = `expected by: any, or no by, with the template "${subject}"`
    throw new CarillonError('bad_request', `${expected}: records whose keys are not subjects may be in any partition`)
  }
  if (subjects === undefined || commonSubject(subjects, template.pattern) !== undefined) return template
  const expected = `expected subjects as the template "${subject}" makes them, such as ${template.pattern}`
  throw new CarillonError('bad_request', `${expected}, got "${subjects}"`)
}

/**
 * Returns the template's prefix of the key. Throws `bad_request` if the pattern doesn't begin
 * with it.
 */
function prefixOf({ subjects, subject = '{key}' }: RouteConfig): string {
  const prefix = prefixBeforeKey(subject)!
  if (prefix !== '') validateSubject(prefix.slice(0, -1))
  if (subjects === undefined || (subjects.startsWith(prefix) && subjects.length > prefix.length)) return prefix
  const expected = `expected subjects below ${prefix.slice(0, -1)}, as the template "${subject}" makes them`
  throw new CarillonError(
    'bad_request',
    `${expected}, got "${subjects}": leave subjects out, or begin it with ${prefix}`,
  )
}

/**
 * Returns the part of a pattern that matches the key, given that subjects begin with the prefix.
 */
function keyPattern(pattern: string, prefix: string): string {
  if (prefix === '') return pattern
  const parts = tokens(pattern)
  const before = tokens(prefix).length - 1
  const open = parts.indexOf('>')
  return open >= 0 && open < before ? '>' : parts.slice(before).join('.')
}

function endOfTokens(bytes: Uint8Array, start: number, end: number, count: number): number {
  let at = start
  for (let i = 1; i < count; i++) {
    const next = tokenEnd(bytes, at, end)
    if (next === end) return end
    at = next + 1
  }
  return tokenEnd(bytes, at, end)
}

function compare(bound: Buffer, bytes: Uint8Array, start: number, end: number): number {
  return bound.compare(bytes, start, end)
}

function compileRanges(subjects: string, rules: readonly RangeRule[]): Range[] {
  const ranges = rules.map(({ from, to, partitions }) => {
    return { from: Buffer.from(from), to: to === undefined ? undefined : Buffer.from(to), partitions }
  })
  ranges.sort((a, b) => a.from.compare(b.from))
  ranges.forEach(({ from, to }, i) => {
    const next = ranges[i + 1]
    if (to !== undefined && to.compare(from) <= 0) {
      throw new CarillonError(
        'bad_request',
        `route ${subjects}: the range from "${from}" to "${to}" is empty: bounds are bytewise, "to" is exclusive`,
      )
    }
    if (next !== undefined && (to === undefined || to.compare(next.from) > 0)) {
      throw new CarillonError(
        'bad_request',
        `route ${subjects}: the ranges from "${from}" and from "${next.from}" overlap`,
      )
    }
  })
  return ranges
}
