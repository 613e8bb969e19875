import { CarillonError } from '../base/errors.ts'
import { fnv1a, fnv1aStart, murmur2 } from '../base/hash.ts'
import { firstTokens, isPattern, tokens, validatePattern } from '../subject/subject.ts'
import { BytePattern, tokenEnd } from './pattern.ts'

/**
 * How a hash route finds the partition.
 * - `murmur2`: Kafka's default for keyed records, over the record's key: the subject, or its first `tokens` tokens.
 * - `fnv1a`: NATS's `{{partition(n,1,2)}}`, over the tokens that the route's pattern leaves open (`*` and what `>` stands for), one
 *   after the other without dots, or the first `tokens` of them.
 * - `fnv1a-subject`: NATS 2.12's `{{partition(n)}}`, over the dotted subject or its first `tokens` tokens.
 */
export const routeHashes = ['murmur2', 'fnv1a', 'fnv1a-subject'] as const
export type RouteHash = (typeof routeHashes)[number]

export interface HashRule {
  readonly hash: RouteHash
  /** Only so many tokens count, so that a wildcard below them stays in one partition; default all. */
  readonly tokens?: number | undefined
}

/** Subjects from `from` to below `to`, in bytewise order of UTF-8 (no `to` = all from there on), are in these partitions; the publisher chooses. */
export interface RangeRule {
  readonly from: string
  readonly to?: string | undefined
  readonly partitions: readonly number[]
}

export interface RouteConfig {
  /** The subjects it is for: a pattern, `>` for all. */
  readonly subjects: string
  /** The stream that has their events. */
  readonly stream: string
  readonly by: HashRule | { readonly ranges: readonly RangeRule[] }
}

interface Range {
  readonly from: Buffer
  readonly to: Buffer | undefined
  readonly partitions: readonly number[]
}

/** One route, ready to use. */
export class Route {
  readonly config: RouteConfig
  readonly pattern: BytePattern
  readonly #hash: HashRule | undefined
  readonly #ranges: readonly Range[]

  constructor(config: RouteConfig) {
    validatePattern(config.subjects)
    this.config = config
    this.pattern = new BytePattern(config.subjects)
    this.#hash = 'hash' in config.by ? config.by : undefined
    this.#ranges = 'ranges' in config.by ? compileRanges(config.subjects, config.by.ranges) : []
  }

  /** The record key of a subject: what murmur2 hashes. */
  key(subject: string): string {
    const count = this.#hash?.tokens
    if (count === undefined || this.#hash?.hash === 'fnv1a') return subject
    return firstTokens(subject, count)
  }

  /** Whether it says where the subject is: a route by ranges may have none for it. */
  covers(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#hash !== undefined || this.#range(bytes, start, end) !== undefined
  }

  /** The hash that places its subjects, undefined for ranges. */
  get hash(): RouteHash | undefined {
    return this.#hash?.hash
  }

  /** The subject's partition; -1 where several are possible or none is. */
  partition(bytes: Uint8Array, start: number, end: number, count: number): number {
    if (this.#hash === undefined) {
      const partitions = this.#range(bytes, start, end)?.partitions
      return partitions?.length === 1 ? partitions[0]! : -1
    }
    return partitionOf(this.#hash, this.pattern, bytes, start, end, count)
  }

  /** Whether the subject's events may be in `partition`. */
  allows(bytes: Uint8Array, start: number, end: number, partition: number, count: number): boolean {
    if (this.#hash !== undefined) return this.partition(bytes, start, end, count) === partition
    return this.#range(bytes, start, end)?.partitions.includes(partition) === true
  }

  /** Where events of a subject or pattern, which this route matches, can be. */
  partitionsFor(subject: string, count: number): number[] {
    const all = Array.from({ length: count }, (_, partition) => partition)
    if (this.#hash === undefined) return this.#rangePartitions(subject).filter((partition) => partition < count)
    const fixed = this.#fixedPart(subject, this.#hash)
    if (fixed === undefined) return all
    const bytes = Buffer.from(fixed)
    return [partitionOf(this.#hash, this.pattern, bytes, 0, bytes.length, count)]
  }

  /** A subject whose partition is that of all that `subject` matches; undefined where it leaves open what is hashed. */
  #fixedPart(subject: string, rule: HashRule): string | undefined {
    if (!isPattern(subject)) return subject
    if (rule.tokens === undefined) return undefined
    const parts = tokens(subject)
    let counted = 0
    for (let i = 0; i < parts.length && parts[i] !== '>'; i++) {
      const literal = rule.hash === 'fnv1a' && this.pattern.isLiteral(i)
      if (!literal && parts[i] === '*') return undefined
      if (!literal && ++counted === rule.tokens) return parts.slice(0, i + 1).join('.')
    }
    return undefined
  }

  #range(bytes: Uint8Array, start: number, end: number): Range | undefined {
    return this.#ranges.find(({ from, to }) => {
      if (compare(from, bytes, start, end) > 0) return false
      return to === undefined || compare(to, bytes, start, end) > 0
    })
  }

  #rangePartitions(subject: string): number[] {
    const bytes = Buffer.from(subject)
    const ranges = isPattern(subject) ? this.#rangesBelow(subject) : [this.#range(bytes, 0, bytes.length)]
    const found = new Set(ranges.flatMap((range) => range?.partitions ?? []))
    return [...found].sort((a, b) => a - b)
  }

  /** The ranges that may hold a subject of the pattern: all of them begin as it does, up to its first wildcard. */
  #rangesBelow(pattern: string): Range[] {
    const first = Buffer.from(pattern.slice(0, pattern.search(/[*>]/)))
    if (first.length === 0) return [...this.#ranges]
    // It ends with a dot, so the next byte behind the dot ends the stretch.
    const beyond = Buffer.from(first)
    beyond[beyond.length - 1]! += 1
    return this.#ranges.filter(
      ({ from, to }) => from.compare(beyond) < 0 && (to === undefined || to.compare(first) > 0),
    )
  }
}

function partitionOf(
  rule: HashRule,
  pattern: BytePattern,
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
): number {
  if (rule.hash === 'fnv1a') return hashOpenTokens(rule, pattern, bytes, start, end) % count
  const keyEnd = rule.tokens === undefined ? end : endOfTokens(bytes, start, end, rule.tokens)
  if (rule.hash === 'murmur2') return (murmur2(bytes, start, keyEnd) & 0x7fffffff) % count
  return fnv1a(bytes, start, keyEnd) % count
}

function hashOpenTokens(rule: HashRule, pattern: BytePattern, bytes: Uint8Array, start: number, end: number): number {
  const most = rule.tokens ?? Number.POSITIVE_INFINITY
  let state = fnv1aStart
  let counted = 0
  for (let at = start, index = 0; at <= end && counted < most; index++) {
    const next = tokenEnd(bytes, at, end)
    if (!pattern.isLiteral(index)) {
      state = fnv1a(bytes, at, next, state)
      counted++
    }
    at = next + 1
  }
  return state
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
