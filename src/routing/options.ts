import { choice, either, group, list, optional, required, setting, text, whole } from '../base/setting.ts'
import { validatePattern } from '../subject/subject.ts'

/**
 * How a hash route finds the partition. The key is the subject, without what the route puts before its keys.
 * - `murmur2`: Kafka's default for keyed records, over the record's key: the whole, or its first `tokens` tokens.
 * - `fnv1a`: NATS's `{{partition(n,1,2)}}`, over the tokens that the route's pattern leaves open (`*` and what `>` stands for), one
 *   after the other without dots, or the first `tokens` of them.
 * - `fnv1a-subject`: NATS 2.12's `{{partition(n)}}`, over the dotted key or its first `tokens` tokens.
 */
export const routeHashes = ['murmur2', 'fnv1a', 'fnv1a-subject'] as const
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

export interface RouteConfig {
  /** The subjects it is for: a pattern, `>` for all. May be left out where `subject` says it. */
  readonly subjects?: string | undefined
  /** How a subject comes of a record's key: `{key}`, or `orders.{key}` for keys that don't begin with `orders`. */
  readonly subject?: string | undefined
  /** The stream that has their events. */
  readonly stream: string
  readonly by: HashRule | { readonly ranges: readonly RangeRule[] }
}

const hashRule = group<HashRule>({
  hash: required(
    choice('hash', routeHashes),
    'murmur2 (Kafka), fnv1a (NATS: the open tokens, unjoined), fnv1a-subject',
  ),
  tokens: optional(whole(1, 128), 'only the first so many tokens count'),
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
  subjects: optional(text('pattern', { check: validatePattern }), 'the subjects it is for: a pattern'),
  subject: optional(text('template'), 'how a subject comes of a key: {key}, or with tokens before it, orders.{key}'),
  stream: required(text('name', { least: 1 }), 'the stream that has their events'),
  by: required(
    either<RouteConfig['by']>(
      [hashRule, rangeRule],
      `expected {hash: ${routeHashes.join(' or ')}, tokens?: whole number} or {ranges: [{from, to?, partitions}]}`,
    ),
    '{hash, tokens?} or {ranges}',
  ),
})

/** With no configuration: every subject in the stream `events`, by Kafka's own hash of the subject. */
export const defaultRoutes: readonly RouteConfig[] = [{ subjects: '>', stream: 'events', by: { hash: 'murmur2' } }]

export const routeSettings = {
  routes: setting(list(route, { least: 1 }), defaultRoutes, 'which subjects are in which partitions'),
}
