import { isSubject, subjectBytes } from '../subject/bytes.ts'
import { isPattern } from '../subject/subject.ts'
import { PatternTrie } from '../subject/trie.ts'
import type { OutgoingRecord } from './outgoing-record.ts'

/** Receives live records of one partition: a session's main reader. */
export interface Member {
  /**
   * `sequence` of the last record offered, written by the hub: a record that matches several
   * subscriptions is offered once.
   */
  stamp: number
  /** Called once for each matching record, during `Hub.publish`. Must not throw. */
  offer(record: OutgoingRecord): void
}

/** One join of one member; `leave` removes it in O(1). */
export interface Membership {
  readonly topic: Topic
  readonly member: Member
  index: number
}

interface Topic {
  readonly name: string
  readonly hash: number
  /** `subjectBytes` of an exact subject; empty for a pattern. */
  readonly bytes: string
  /** Most exact subjects have one member: `push` on an empty array reserves room for 17. */
  members: Membership[]
}

const initialSlots = 64
/** Maximum share of slots in use, which keeps linear probing short. */
const maxLoad = 0.5

/**
 * The live subscriptions of one partition. Exact subjects are in an open-addressing table from
 * the subject's seeded hash to its topic; the bytes are compared, because a hash is a hint.
 * Patterns are in a trie. Members may join and leave while a record is being offered. A member
 * that joins meanwhile gets the next record.
 */
export class Hub {
  readonly #hashOf: (bytes: Uint8Array) => number
  #slots = new Array<Topic | undefined>(initialSlots)
  #topics = 0
  readonly #patterns = new Map<string, Topic>()
  readonly #trie = new PatternTrie<Topic>()
  readonly #matched: Topic[] = []
  readonly #collect = (topic: Topic): void => {
    this.#matched.push(topic)
  }
  #memberships = 0

  /** `hashOf` must be the hash that the window's records have. */
  constructor(hashOf: (bytes: Uint8Array) => number) {
    this.#hashOf = hashOf
  }

  /** Total joins: one per subscription of a live or catching-up session. */
  get size(): number {
    return this.#memberships
  }

  join(subject: string, member: Member): Membership {
    const topic = isPattern(subject) ? this.#patternTopic(subject) : this.#exactTopic(subject)
    const membership: Membership = { topic, member, index: topic.members.length }
    if (topic.members.length === 0) topic.members = [membership]
    else topic.members.push(membership)
    this.#memberships++
    return membership
  }

  leave(membership: Membership): void {
    const { topic, index } = membership
    if (topic.members[index] !== membership) return
    const last = topic.members.pop()!
    if (last !== membership) {
      topic.members[index] = last
      last.index = index
    }
    this.#memberships--
    if (topic.members.length === 0) this.#drop(topic)
  }

  /** Offers the record to every matching member once. Returns the number of members. */
  publish(record: OutgoingRecord): number {
    let offered = 0
    const exact = this.#find(record.hash, record.buffer, record.subjectStart, record.subjectEnd)
    if (exact !== undefined) offered += offerAll(exact.members, record)
    if (this.#patterns.size > 0) offered += this.#publishToPatterns(record)
    return offered
  }

  #publishToPatterns(record: OutgoingRecord): number {
    const matched = this.#matched
    this.#trie.match(record.subject, this.#collect)
    let offered = 0
    for (let i = 0; i < matched.length; i++) offered += offerAll(matched[i]!.members, record)
    matched.length = 0
    return offered
  }

  #patternTopic(pattern: string): Topic {
    let topic = this.#patterns.get(pattern)
    if (topic === undefined) {
      topic = { name: pattern, hash: 0, bytes: '', members: [] }
      this.#patterns.set(pattern, topic)
      this.#trie.add(pattern, topic)
    }
    return topic
  }

  #exactTopic(subject: string): Topic {
    const utf8 = Buffer.from(subject)
    const hash = this.#hashOf(utf8)
    const found = this.#find(hash, utf8, 0, utf8.length)
    if (found !== undefined) return found
    if (this.#topics + 1 > this.#slots.length * maxLoad) this.#resize(this.#slots.length * 2)
    const topic: Topic = { name: subject, hash, bytes: subjectBytes(subject), members: [] }
    this.#insert(topic)
    this.#topics++
    return topic
  }

  #find(hash: number, buffer: Buffer, start: number, end: number): Topic | undefined {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const topic = slots[slot]
      if (topic === undefined) return undefined
      if (topic.hash === hash && isSubject(topic.bytes, buffer, start, end)) return topic
    }
  }

  #insert(topic: Topic): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = topic.hash & mask
    while (slots[slot] !== undefined) slot = (slot + 1) & mask
    slots[slot] = topic
  }

  #drop(topic: Topic): void {
    if (this.#patterns.get(topic.name) === topic) {
      this.#patterns.delete(topic.name)
      this.#trie.remove(topic.name, topic)
      return
    }
    this.#remove(topic)
    this.#topics--
    if (this.#slots.length > initialSlots && this.#topics < this.#slots.length / 8) this.#resize(this.#slots.length / 2)
  }

  /**
   * Removes a topic by backward shift: no tombstones, so probes stay as short as the load
   * implies.
   */
  #remove(topic: Topic): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let hole = topic.hash & mask
    while (slots[hole] !== topic) hole = (hole + 1) & mask
    for (let at = (hole + 1) & mask; slots[at] !== undefined; at = (at + 1) & mask) {
      const home = slots[at]!.hash & mask
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      slots[hole] = slots[at]
      hole = at
    }
    slots[hole] = undefined
  }

  #resize(size: number): void {
    const old = this.#slots
    this.#slots = new Array<Topic | undefined>(size)
    for (const topic of old) if (topic !== undefined) this.#insert(topic)
  }
}

/**
 * Iterates backwards: if a member leaves while it is offered the record, `leave` moves a member
 * that has already been offered it.
 */
function offerAll(members: Membership[], record: OutgoingRecord): number {
  let offered = 0
  for (let i = members.length - 1; i >= 0; i--) {
    const membership = members[i]
    if (membership === undefined || membership.member.stamp === record.sequence) continue
    membership.member.stamp = record.sequence
    membership.member.offer(record)
    offered++
  }
  return offered
}
