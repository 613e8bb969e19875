import { choice, either, group, list, optional, required, setting, text, whole } from '../base/setting.ts'
import { validatePattern } from '../subject/subject.ts'
import { isComposed } from './template.ts'

/**
 * How a hash route finds the partition, each named after what places records so. The key is the subject, without what the route puts
 * before its keys.
 * - `java`: Kafka's own client, and what is compatible with it: murmur2 over the record's key, the whole or its first `tokens` tokens.
 * - `librdkafka`: its default, `consistent_random`: CRC-32 over the same.
 * - `sarama`: its default, `NewHashPartitioner`, which librdkafka's `fnv1a_random` follows: FNV-1a as a signed number, without its sign.
 * - `nats`: `{{partition(n,1,2)}}`, FNV-1a over the tokens that the route's pattern leaves open (`*` and what `>` stands for), one
 *   after the other without dots, or the first `tokens` of them.
 * - `nats-subject`: NATS 2.12's `{{partition(n)}}`, FNV-1a over the dotted key or its first `tokens` tokens.
 */
export const routeHashes = ['java', 'librdkafka', 'sarama', 'nats', 'nats-subject'] as const
export type RouteHash = (typeof routeHashes)[number]

export interface HashRule {
  readonly hash: RouteHash
  /** Only so many tokens count, so that a wildcard below them stays in one partition; default all. */
  readonly tokens?: number | undefined
}

/** Keys from `from` to below `to`, in bytewise order of UTF-8 (no `to` = all from there on), are in these partitions; the publisher chooses. */
export interface RangeRule {
  readonly from: string
  readonly to?: string | undefined
  readonly partitions: readonly number[]
}

/** `any`: a subject's records may be in all partitions, and each of these has an order of its own. */
export type RouteRule = 'any' | HashRule | { readonly ranges: readonly RangeRule[] }

export interface RouteConfig {
  /** The subjects it is for: a pattern, `>` for all. May be left out where `subject` says it. */
  readonly subjects?: string | undefined
  /**
   * How a subject comes of a record's key: `{key}`, or `orders.{key}` for keys that don't begin with `orders`; of records whose keys are no
   * subjects, `orders.{header:region}.{json:id}`.
   */
  readonly subject?: string | undefined
  /** The stream that has their events. */
  readonly stream: string
  /** `{hash: java}` unless given, `any` where subjects don't come of keys. */
  readonly by?: RouteRule | undefined
}

export const javas: HashRule = { hash: 'java' }

export const ruleOf = ({ by, subject }: RouteConfig): RouteRule => by ?? (isComposed(subject) ? 'any' : javas)

/** undefined = it is no rule by hash. */
export const hashRuleOf = (rule: RouteRule): HashRule | undefined =>
  rule !== 'any' && 'hash' in rule ? rule : undefined

/** None where it is no rule by ranges. */
export const rangesOf = (rule: RouteRule): readonly RangeRule[] =>
  rule !== 'any' && 'ranges' in rule ? rule.ranges : []

const hashRule = group<HashRule>({
  hash: required(
    choice('hash', routeHashes),
    'java (murmur2), librdkafka (CRC32), sarama (FNV-1a), nats (FNV-1a of the wildcard tokens, without dots), nats-subject',
  ),
  tokens: optional(whole(1, 128), 'use only the first so many tokens'),
})

const rangeRule = group<{ readonly ranges: readonly RangeRule[] }>({
  ranges: required(
    list(
      group<RangeRule>({
        from: required(text('key')),
        to: optional(text('key')),
        partitions: required(list(whole(0, 100_000), { least: 1 })),
      }),
      { least: 1 },
    ),
    '[from, to) in bytewise order -> partitions',
  ),
})

const route = group<RouteConfig>({
  subjects: optional(text('pattern', { check: validatePattern }), 'pattern of the subjects that the route covers'),
  subject: optional(
    text('template'),
    'template of the subject: {key}, orders.{key}, or orders.{header:region}.{json:id}',
  ),
  stream: required(text('name', { least: 1 }), 'stream that contains their events'),
  by: optional(
    either<RouteRule>(
      [choice<'any'>('rule', ['any']), hashRule, rangeRule],
      `expected any, {hash: ${routeHashes.join(' or ')}, tokens?: whole number} or {ranges: [{from, to?, partitions}]}`,
    ),
    'any, {hash, tokens?} or {ranges}; the default is {hash: java}',
  ),
})

/** With no configuration: every subject in the stream `events`, by Java's hash of the subject. */
export const defaultRoutes: readonly RouteConfig[] = [{ subjects: '>', stream: 'events' }]

export const routeSettings = {
  routes: setting(list(route, { least: 1 }), defaultRoutes, 'which subjects are in which stream and partitions'),
}
