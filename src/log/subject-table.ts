/**
 * Finds a window's newest entry of a subject's hash: open addressing over the slots of the index, two places a slot, so that probes stay
 * short. It holds no keys: hash and window are the entry's own.
 */
export class SubjectTable {
  readonly #hashes: Uint32Array
  readonly #owners: Uint32Array
  readonly #shift: number
  /** slot + 1; 0 = empty. */
  readonly #places: Uint32Array
  /** A hash times this is where its probe starts. */
  readonly #scale: number

  /** `hashes` of the entries; `owners`, the windows' numbers, by slot >> `shift`; `places`, zeroed, two a slot. */
  constructor(hashes: Uint32Array, owners: Uint32Array, shift: number, places: Uint32Array) {
    this.#hashes = hashes
    this.#owners = owners
    this.#shift = shift
    this.#places = places
    this.#scale = this.#places.length / 2 ** 32
  }

  /** The place of this hash of a window: that of its newest entry, or the empty one where it belongs. */
  placeOf(hash: number, owner: number): number {
    let place = this.#home(hash, owner)
    for (let held = this.#places[place]!; held !== 0; held = this.#places[place]!) {
      if (this.#hashes[held - 1] === hash && this.#owners[(held - 1) >>> this.#shift] === owner) return place
      place = this.#following(place)
    }
    return place
  }

  /** The slot at a place, -1 = none. */
  at(place: number): number {
    return this.#places[place]! - 1
  }

  set(place: number, slot: number): void {
    this.#places[place] = slot + 1
  }

  /** `slot` gives its place to another entry of its hash. */
  replace(slot: number, other: number): void {
    const place = this.#find(slot)
    if (place >= 0) this.#places[place] = other + 1
  }

  /** Takes `slot` out where it is its hash's newest; by shifting back what was pushed on by it. */
  remove(slot: number): void {
    let hole = this.#find(slot)
    if (hole < 0) return
    const places = this.#places
    for (let place = this.#following(hole); places[place] !== 0; place = this.#following(place)) {
      const home = this.#homeOf(places[place]! - 1)
      if (this.#distance(home, place) < this.#distance(hole, place)) continue
      places[hole] = places[place]!
      hole = place
    }
    places[hole] = 0
  }

  clear(): void {
    this.#places.fill(0)
  }

  #find(slot: number): number {
    let place = this.#homeOf(slot)
    for (let held = this.#places[place]; held !== 0; held = this.#places[place]) {
      if (held === slot + 1) return place
      place = this.#following(place)
    }
    return -1
  }

  /** The windows' numbers scatter what is the same subject, so that many windows with few hashes don't share a probe. */
  #home(hash: number, owner: number): number {
    return (((hash ^ Math.imul(owner, 0x9e3779b1)) >>> 0) * this.#scale) | 0
  }

  #homeOf(slot: number): number {
    return this.#home(this.#hashes[slot]!, this.#owners[slot >>> this.#shift]!)
  }

  #following(place: number): number {
    return place + 1 === this.#places.length ? 0 : place + 1
  }

  #distance(from: number, to: number): number {
    return to >= from ? to - from : to - from + this.#places.length
  }
}
