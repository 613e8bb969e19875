import { murmur2 } from '../base/hash.ts'
import { maxSubjectBytes } from '../subject/subject.ts'
import { type HashRule, hashRuleOf, type RouteConfig, type RouteHash, routeHashes } from './options.ts'
import { hashes, Route } from './route.ts'

/** Maximum partition count to try as an earlier count of the topic. */
const maxEarlierCount = 1024
/** Maximum distinct keys of misrouted records to learn the producer's rule from. */
const mostKeys = 256
/**
 * A rule that fits this share of the keys is taken as the producer's: with two partitions, any
 * other rule fits half of them. With fewer than `tellingKeys` keys, a rule that fits any key is
 * taken.
 */
const mostlyFits = 0.75
const tellingKeys = 8

/** A rule that a producer may follow. */
interface Candidate {
  /** Name of the rule's owner, in messages. */
  readonly whose: string
  /** How to correct the mistake, in messages. */
  readonly fix: string
  readonly partition: (key: Buffer, count: number) => number
  /** Whether the rule is of the same kind of broker as the route's. */
  readonly isLikely: boolean
  fits: number
}

const users: Readonly<Record<RouteHash, string>> = {
  java: "Java's hash (murmur2)",
  librdkafka: "librdkafka's default hash (CRC32)",
  sarama: "Sarama's hash (FNV-1a without its sign)",
  nats: "NATS's {{partition(n,…)}}",
  'nats-subject': "NATS's {{partition(n)}}",
}

/**
 * Finds out why records of one stream are in the wrong partition. It looks for a rule that fits
 * many keys, because each rule fits some by chance. A change of the partition count restarts it.
 */
export class Misrouted {
  readonly #candidates: readonly Candidate[]
  readonly #configured: HashRule | undefined
  readonly #keys = new Set<string>()
  #count = 0

  /** Takes all routes of the stream. */
  constructor(routes: readonly Route[]) {
    const route = routes.find(({ rule }) => hashRuleOf(rule) !== undefined)
    this.#configured = route && hashRuleOf(route.rule)
    this.#candidates = route === undefined ? [] : candidatesOf(route, this.#configured!)
  }

  /** Returns the cause and what to do, as text for people. */
  because(key: Buffer | undefined, partition: number, count: number): string {
    const configured = this.#configured
    if (configured === undefined) {
      return 'its producer chose a partition that its route does not allow: "carillon routes SUBJECT" names the right one'
    }
    if (key === undefined || key.length === 0) {
      const cause = 'the record has no key, so its producer chose the partition'
      return `${cause}: set the key that "carillon routes SUBJECT" names, or by: any for its route`
    }
    if (key.length > maxSubjectBytes) {
      return 'its key is longer than any key of its route: "carillon routes SUBJECT" names the right one'
    }
    if (configured.hash !== 'nats' && hashes[configured.hash](key, 0, key.length) % count === partition) {
      return 'the partition is right for this key, but the route requires another key for this event: "carillon routes SUBJECT" names it'
    }
    this.#take(key, partition, count)
    const { size } = this.#keys
    const least = size < tellingKeys ? 1 : mostlyFits * size
    const fitting = this.#candidates.filter((each) => each.partition(key, count) === partition && each.fits >= least)
    const [best] = fitting.sort((a, b) => b.fits - a.fits)
    return best === undefined ? this.#unknownCause(key, partition, configured) : this.#likelyCause(best, fitting)
  }

  #take(key: Buffer, partition: number, count: number): void {
    if (count !== this.#count) {
      this.#count = count
      this.#keys.clear()
      for (const each of this.#candidates) each.fits = 0
    }
    const text = key.toString('latin1')
    if (this.#keys.has(text) || this.#keys.size >= mostKeys) return
    this.#keys.add(text)
    for (const each of this.#candidates) if (each.partition(key, count) === partition) each.fits++
  }

  #likelyCause(best: Candidate, fitting: readonly Candidate[]): string {
    const { size } = this.#keys
    const also = fitting
      .filter((each) => each !== best && each.fits === best.fits && each.isLikely)
      .map(({ whose }) => whose)
    const how = size === 1 ? '' : `, as ${best.fits} of ${size} misrouted keys show`
    const others = also.length === 0 ? '' : `, or by ${also.join(' or ')}; more keys will tell`
    return `its producer places keys by ${best.whose}${how}${others}: ${best.fix}`
  }

  #unknownCause(key: Buffer, partition: number, configured: HashRule): string {
    const earlier =
      configured.hash === 'nats'
        ? undefined
        : earlierCount(hashes[configured.hash](key, 0, key.length), partition, this.#count)
    const guess = earlier === undefined ? '' : ` (it would be here with ${earlier} partitions, for example)`
    const cause = `no known hash leads to this partition: a custom partitioner, or a changed partition count${guess}`
    return `${cause}: set by: any for its route, which reads a subject from all partitions`
  }
}

/** Returns the rules that the route could have instead. */
function candidatesOf(route: Route, configured: HashRule): Candidate[] {
  const byKey = routeHashes.flatMap((hash) =>
    hash === 'nats' || hash === configured.hash ? [] : [byKeyOf(hash, configured)],
  )
  const ofTokens = [undefined, 1, 2, 3].filter((tokens) => configured.hash !== 'nats' || tokens !== configured.tokens)
  const byTokens = ofTokens.map((tokens) => byTokensOf(tokens, route, configured))
  const signed: Candidate = {
    whose: 'murmur2 without its sign bit cleared',
    fix: 'give it a Java-compatible partitioner, or set by: any for its route',
    // If the partition count is a power of two, this equals Java's hash, which needs no separate
    // candidate.
    partition: (key, count) => (2 ** 31 % count === 0 ? -1 : murmur2(key, 0, key.length) % count),
    isLikely: !isOfNats(configured.hash),
    fits: 0,
  }
  return isOfNats(configured.hash) ? [...byTokens, ...byKey] : [...byKey, signed, ...byTokens]
}

const isOfNats = (hash: RouteHash): boolean => hash === 'nats' || hash === 'nats-subject'

/** Hashes the record's key, with the number of tokens of the route's rule. */
function byKeyOf(hash: Exclude<RouteHash, 'nats'>, configured: HashRule): Candidate {
  const tokens = isOfNats(configured.hash) || isOfNats(hash) ? undefined : configured.tokens
  const setting = 'partitioner=murmur2_random'
  const isSetting = hash === 'librdkafka' && configured.hash === 'java'
  const orProducer = isSetting ? `, or ${setting} in its producer (kcat: -X ${setting})` : ''
  return {
    whose: users[hash],
    fix: `set by: ${ruleText(hash, tokens)} for its route${orProducer}`,
    partition: (key, count) => hashes[hash](key, 0, key.length) % count,
    isLikely: isOfNats(hash) === isOfNats(configured.hash),
    fits: 0,
  }
}

/** Hashes tokens of the subject, by the route's pattern. */
function byTokensOf(tokens: number | undefined, { config, prefix }: Route, configured: HashRule): Candidate {
  return {
    whose: users.nats,
    fix: `set by: ${ruleText('nats', tokens)} for its route`,
    partition: partitionBy({ ...config, by: { hash: 'nats', tokens } }, prefix),
    isLikely: isOfNats(configured.hash),
    fits: 0,
  }
}

const ruleText = (hash: RouteHash, tokens: number | undefined): string =>
  tokens === undefined ? `{hash: ${hash}}` : `{hash: ${hash}, tokens: ${tokens}}`

function partitionBy(config: RouteConfig, prefix: string): Candidate['partition'] {
  const route = new Route(config)
  return (key, count) => {
    const subject = Buffer.concat([Buffer.from(prefix), key])
    return route.partition(subject, 0, subject.length, count)
  }
}

function earlierCount(hash: number, partition: number, count: number): number | undefined {
  for (let earlier = count - 1; earlier > Math.max(partition, 1); earlier--)
    if (hash % earlier === partition) return earlier
  for (let later = count + 1; later <= maxEarlierCount; later++) if (hash % later === partition) return later
  return undefined
}
