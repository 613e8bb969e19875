/**
 * Finds a window's newest entry by subject hash: open addressing over the slots of the index, two
 * places per slot to keep probes short. The table stores no keys: hash and window come from the
 * entry.
 */
export class SubjectTable {
  readonly #hashes: Uint32Array
  readonly #owners: Uint32Array
  readonly #shift: number
  /** slot + 1; 0 = empty. */
  readonly #places: Uint32Array
  /** Multiplier from a hash to the start of its probe. */
  readonly #scale: number

  /**
   * `hashes`: by slot, of the entries. `owners`: window numbers, by slot >> `shift`. `places`:
   * zeroed, two per slot.
   */
  constructor(hashes: Uint32Array, owners: Uint32Array, shift: number, places: Uint32Array) {
    this.#hashes = hashes
    this.#owners = owners
    this.#shift = shift
    this.#places = places
    this.#scale = this.#places.length / 2 ** 32
  }

  /**
   * Returns the place of this hash of a window: that of its newest entry, or the empty place to
   * insert it.
   */
  placeOf(hash: number, owner: number): number {
    let place = this.#home(hash, owner)
    for (let held = this.#places[place]!; held !== 0; held = this.#places[place]!) {
      if (this.#hashes[held - 1] === hash && this.#owners[(held - 1) >>> this.#shift] === owner) return place
      place = this.#following(place)
    }
    return place
  }

  /** Returns the slot at a place; -1 = none. */
  at(place: number): number {
    return this.#places[place]! - 1
  }

  set(place: number, slot: number): void {
    this.#places[place] = slot + 1
  }

  /** Puts `other`, an entry with the same hash, in the place of `slot`. */
  replace(slot: number, other: number): void {
    const place = this.#find(slot)
    if (place >= 0) this.#places[place] = other + 1
  }

  /**
   * Removes `slot` if it is its hash's newest entry. Shifts back the entries that it displaced.
   */
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

  /**
   * Mixes in the window's number, so that many windows with the same few subjects don't share one
   * probe.
   */
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
