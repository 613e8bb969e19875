/**
 * Finds the newest entry of a subject's hash: open addressing over index slots, two places a slot, so that probes stay short.
 * It holds no keys: the hash is the entry's own.
 */
export class SubjectTable {
  readonly #hashes: Uint32Array
  /** slot + 1; 0 = empty. */
  readonly #places: Uint32Array
  readonly #mask: number

  /** `hashes` of the index, by slot; a power of two of them. */
  constructor(hashes: Uint32Array) {
    this.#hashes = hashes
    this.#places = new Uint32Array(hashes.length * 2)
    this.#mask = this.#places.length - 1
  }

  /** The place at which a probe for `hash` starts. */
  first(hash: number): number {
    return hash & this.#mask
  }

  following(place: number): number {
    return (place + 1) & this.#mask
  }

  /** The slot at a place, -1 = the probe is over. */
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
    for (let place = this.following(hole); places[place] !== 0; place = this.following(place)) {
      const home = this.first(this.#hashes[places[place]! - 1]!)
      if (((place - home) & this.#mask) < ((place - hole) & this.#mask)) continue
      places[hole] = places[place]!
      hole = place
    }
    places[hole] = 0
  }

  clear(): void {
    this.#places.fill(0)
  }

  #find(slot: number): number {
    let place = this.first(this.#hashes[slot]!)
    for (let held = this.#places[place]; held !== 0; held = this.#places[place]) {
      if (held === slot + 1) return place
      place = this.following(place)
    }
    return -1
  }
}
