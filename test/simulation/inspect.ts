import type { PartitionFeed } from '../../src/fanout/partition-feed.ts'
import { storedEntry } from '../../src/log/entry.ts'
import type { Window } from '../../src/log/window.ts'
import { decodeEvent } from '../../src/wire/envelope.ts'
import { isSameLog } from '../../src/wire/token.ts'
import type { SimGateway } from './gateway.ts'
import { isUnreadable, type LogRecord } from './partition-log.ts'
import { shown } from './shown.ts'
import type { SimStream } from './streams.ts'
import { sameEvent } from './truth.ts'
import type { Verdict } from './verdict.ts'

const scratch = storedEntry()

/**
 * Checks a gateway's windows against a full scan of them and against the log, and its sessions
 * against their limits.
 */
export function inspect(gateway: SimGateway, streams: readonly SimStream[], verdict: Verdict, quiet: boolean): void {
  const { sessions, size, partitions, instruments } = gateway
  if (sessions.size > size.maxSessions) verdict.broken('limits', `${gateway.name} has ${sessions.size} sessions`)
  if (instruments.gateway.behind < 0) verdict.broken('limits', `${gateway.name} counts fewer than no sessions behind`)
  const windows = partitions.map(({ window }) => window)
  const sum = (of: (window: Window) => number) => windows.reduce((total, window) => total + of(window), 0)
  if (sum(({ usedBytes }) => usedBytes) > size.payloadBytes || sum(({ indexed }) => indexed) > size.entries) {
    verdict.broken('limits', `the windows of ${gateway.name} hold more than their pool`)
  }
  for (const feed of partitions) {
    const fault = indexFault(feed.window) ?? (quiet ? contentFault(gateway, feed, streams) : undefined)
    if (fault !== undefined) verdict.broken('window', `${gateway.name}, ${feed.stream}/${feed.partition}: ${fault}`)
  }
}

/** Checks that a gateway without connections holds no state of any client. */
export function inspectEmpty(gateway: SimGateway, verdict: Verdict): void {
  const { sessions, partitions, instruments } = gateway
  const { subscriptions, behind } = instruments.gateway
  const counts = { sessions: sessions.size, subscriptions, behind }
  for (const { hub, readers, parked, stream, partition } of partitions) {
    const of = `${stream}/${partition}`
    Object.assign(counts, { [`readers ${of}`]: readers.size + parked.size, [`hub ${of}`]: hub.size })
  }
  const left = Object.entries(counts).filter(([, count]) => count !== 0)
  if (left.length > 0)
    verdict.broken('left behind', `${gateway.name}: ${left.map((each) => each.join(' = ')).join(', ')}`)
}

function indexFault(window: Window): string | undefined {
  const { indexOrdinal, headOrdinal, tailOrdinal, indexTail, tail, head } = window
  if (indexOrdinal > tailOrdinal || tailOrdinal > headOrdinal || indexTail > tail || tail > head) {
    return `its bounds are ${indexTail} ${tail} ${head}, ordinals ${indexOrdinal} ${tailOrdinal} ${headOrdinal}`
  }
  const chains = new Map<number, number[]>()
  for (let ordinal = indexOrdinal; ordinal < headOrdinal; ordinal++) {
    const hash = window.hashOf(ordinal)
    const chain = chains.get(hash)
    if (chain === undefined) chains.set(hash, [ordinal])
    else chain.push(ordinal)
  }
  for (const [hash, chain] of chains) {
    const fault = chainFault(window, hash, chain)
    if (fault !== undefined) return fault
  }
  return undefined
}

function chainFault(window: Window, hash: number, chain: readonly number[]): string | undefined {
  if (window.newest(hash) !== chain.at(-1))
    return `the newest of ${hash} is ${window.newest(hash)}, not ${chain.at(-1)}`
  for (let i = 0; i < chain.length; i++) {
    if (window.previous(chain[i]!) !== (chain[i - 1] ?? -1)) return `${chain[i]} does not follow ${chain[i - 1]}`
    if (window.following(chain[i]!) !== (chain[i + 1] ?? -1)) return `${chain[i]} does not lead to ${chain[i + 1]}`
  }
  for (const ordinal of chain) {
    for (const offset of [window.offsetOf(ordinal), window.offsetOf(ordinal) + 1]) {
      const expected = chain.find((each) => window.offsetOf(each) >= offset) ?? -1
      const found = window.firstSince(hash, offset)
      if (found !== expected) return `the first of ${hash} since ${offset} is ${found}, not ${expected}`
    }
  }
  return undefined
}

/**
 * Checks windows against the log. Valid only once the gateway has read everything: before that it
 * may hold records that were rewritten.
 */
function contentFault({ source }: SimGateway, feed: PartitionFeed, streams: readonly SimStream[]): string | undefined {
  const { partition, window, stream } = feed
  const { truth, format } = streams.find(({ name }) => name === stream)!
  const { current } = truth.broker
  const log = current.logs[partition]
  if (log === undefined || !isSameLog(current, feed) || window.head !== log.head) return undefined
  const offsets = new Set<number>()
  for (let ordinal = window.indexOrdinal; ordinal < window.headOrdinal; ordinal++) offsets.add(window.offsetOf(ordinal))
  for (const record of log.entries) {
    if (record.offset < window.indexTail || record.offset >= window.head) continue
    const usable =
      record.event !== undefined &&
      !record.hidden &&
      !isUnreadable(record) &&
      !truth.misplaced(record) &&
      truth.displacedMs(record) === undefined
    if (usable && !offsets.has(record.offset)) return `it lacks ${shown(record)}`
  }
  for (let ordinal = window.tailOrdinal; ordinal < window.headOrdinal; ordinal++) {
    window.load(ordinal, scratch)
    const { buffer, eventStart, eventEnd, offset } = scratch
    if (offset < log.first && !source.tellsGoneRewrites) continue
    const records = log.past.filter(
      (record) => record.offset === offset && record.value !== null && record.gone !== 'rewritten',
    )
    const same = ({ value, event }: LogRecord) =>
      format === 'event'
        ? value!.compare(buffer, eventStart, eventEnd) === 0
        : event !== undefined && sameEvent(event, decodeEvent(buffer.subarray(eventStart, eventEnd)))
    if (records.length > 0 && !records.some(same)) return `its bytes at ${offset} are not the log's`
  }
  return undefined
}
