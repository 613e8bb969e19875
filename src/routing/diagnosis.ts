import { murmur2 } from '../base/hash.ts'
import { maxSubjectBytes } from '../subject/subject.ts'
import { type HashRule, hashRuleOf, type RouteConfig, type RouteHash, routeHashes } from './options.ts'
import { hashes, Route } from './route.ts'

/** Partition counts that a topic may have had before. */
const maxEarlierCount = 1024
/** Different keys of misrouted records by which the rule of their producer is told. */
const mostKeys = 256
/** A rule that fits so many of them is the one: of two partitions any other fits half. Of fewer than `tellingKeys` each one counts. */
const mostlyFits = 0.75
const tellingKeys = 8

/** A rule that producers may have followed. */
interface Candidate {
  /** Whose it is, for people. */
  readonly whose: string
  /** What to do about it, for people. */
  readonly mend: string
  readonly partition: (key: Buffer, count: number) => number
  /** Of brokers of the kind that the route's own rule is of. */
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
 * Why records of one stream lie in partitions that are not their subjects': by what their keys have in common, for each rule fits some by
 * chance. Partitions count as they are now: with another number it begins anew.
 */
export class Misrouted {
  readonly #candidates: readonly Candidate[]
  readonly #own: HashRule | undefined
  readonly #keys = new Set<string>()
  #count = 0

  /** The routes of the stream. */
  constructor(routes: readonly Route[]) {
    const route = routes.find(({ rule }) => hashRuleOf(rule) !== undefined)
    this.#own = route && hashRuleOf(route.rule)
    this.#candidates = route === undefined ? [] : candidatesOf(route, this.#own!)
  }

  /** For people, with what to do. */
  because(key: Buffer | undefined, partition: number, count: number): string {
    const own = this.#own
    if (own === undefined) {
      return 'its producer chose another partition than its route says: "carillon routes SUBJECT" names the right one'
    }
    if (key === undefined || key.length === 0) {
      const said = 'the record has no key, so its producer chose the partition'
      return `${said}: set the key that "carillon routes SUBJECT" names, or by: any for its route`
    }
    if (key.length > maxSubjectBytes) {
      return 'its key is longer than any that its route asks for: "carillon routes SUBJECT" names the right one'
    }
    if (own.hash !== 'nats' && hashes[own.hash](key, 0, key.length) % count === partition) {
      return 'the key\'s own partition is right, but the route asks for another key of this event: "carillon routes SUBJECT" names it'
    }
    this.#take(key, partition, count)
    const { size } = this.#keys
    const least = size < tellingKeys ? 1 : mostlyFits * size
    const fitting = this.#candidates.filter((each) => each.partition(key, count) === partition && each.fits >= least)
    const [best] = fitting.sort((a, b) => b.fits - a.fits)
    return best === undefined ? this.#unknown(key, partition, own) : this.#told(best, fitting)
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

  #told(best: Candidate, fitting: readonly Candidate[]): string {
    const { size } = this.#keys
    const also = fitting
      .filter((each) => each !== best && each.fits === best.fits && each.isLikely)
      .map(({ whose }) => whose)
    const how = size === 1 ? '' : `, as ${best.fits} of ${size} misrouted keys show`
    const others = also.length === 0 ? '' : `, or by ${also.join(' or ')}; more keys will show which`
    return `its producer places keys by ${best.whose}${how}${others}: ${best.mend}`
  }

  #unknown(key: Buffer, partition: number, own: HashRule): string {
    const earlier =
      own.hash === 'nats' ? undefined : earlierCount(hashes[own.hash](key, 0, key.length), partition, this.#count)
    const guess = earlier === undefined ? '' : ` (with ${earlier} partitions, for example, it would be here)`
    const said = `no hash that a route can have gives this partition: its producer has a custom partitioner, or the number of partitions has changed${guess}`
    return `${said}: set by: any for its route, which reads a subject from all partitions`
  }
}

/** The rules that the route could have instead of its own. */
function candidatesOf(route: Route, own: HashRule): Candidate[] {
  const byKey = routeHashes.flatMap((hash) => (hash === 'nats' || hash === own.hash ? [] : [byKeyOf(hash, own)]))
  const ofTokens = [undefined, 1, 2, 3].filter((tokens) => own.hash !== 'nats' || tokens !== own.tokens)
  const byTokens = ofTokens.map((tokens) => byTokensOf(tokens, route, own))
  const signed: Candidate = {
    whose: 'murmur2 without its sign bit cleared',
    mend: 'give it a Java-compatible partitioner, or set by: any for its route',
    // Of as many partitions as a power of two it is Java's hash: nothing tells the two apart, and nothing has to.
    partition: (key, count) => (2 ** 31 % count === 0 ? -1 : murmur2(key, 0, key.length) % count),
    isLikely: !isOfNats(own.hash),
    fits: 0,
  }
  return isOfNats(own.hash) ? [...byTokens, ...byKey] : [...byKey, signed, ...byTokens]
}

const isOfNats = (hash: RouteHash): boolean => hash === 'nats' || hash === 'nats-subject'

/** Over the record's key, which is of the same tokens as by the route's own rule. */
function byKeyOf(hash: Exclude<RouteHash, 'nats'>, own: HashRule): Candidate {
  const tokens = isOfNats(own.hash) || isOfNats(hash) ? undefined : own.tokens
  const setting = 'partitioner=murmur2_random'
  const isSetting = hash === 'librdkafka' && own.hash === 'java'
  const orProducer = isSetting ? `, or ${setting} in its producer (kcat: -X ${setting})` : ''
  return {
    whose: users[hash],
    mend: `set by: ${ruleText(hash, tokens)} for its route${orProducer}`,
    partition: (key, count) => hashes[hash](key, 0, key.length) % count,
    isLikely: isOfNats(hash) === isOfNats(own.hash),
    fits: 0,
  }
}

/** Over tokens of the subject, by the route's pattern. */
function byTokensOf(tokens: number | undefined, { config, prefix }: Route, own: HashRule): Candidate {
  return {
    whose: users.nats,
    mend: `set by: ${ruleText('nats', tokens)} for its route`,
    partition: partitionBy({ ...config, by: { hash: 'nats', tokens } }, prefix),
    isLikely: isOfNats(own.hash),
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
