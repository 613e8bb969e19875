/**
 * A map for the case that nearly always one entry exists, which it holds in fields: an empty
 * `Map` alone takes about 200 bytes of a session. Iterates in insertion order, like a `Map`.
 */
export class SmallMap<K, V> {
  #key: K | undefined
  #value: V | undefined
  /** All entries, once there was more than one. */
  #all: Map<K, V> | undefined

  get size(): number {
    return this.#all?.size ?? (this.#value === undefined ? 0 : 1)
  }

  get(key: K): V | undefined {
    if (this.#all !== undefined) return this.#all.get(key)
    return key === this.#key ? this.#value : undefined
  }

  has(key: K): boolean {
    return this.get(key) !== undefined
  }

  set(key: K, value: V & {}): void {
    if (this.#all === undefined && (this.#value === undefined || key === this.#key)) {
      this.#key = key
      this.#value = value
      return
    }
    this.#all ??= new Map([[this.#key!, this.#value!]])
    this.#all.set(key, value)
    this.#key = undefined
    this.#value = undefined
  }

  delete(key: K): void {
    if (this.#all !== undefined) this.#all.delete(key)
    else if (key === this.#key) this.clear()
  }

  clear(): void {
    this.#all = undefined
    this.#key = undefined
    this.#value = undefined
  }

  keys(): Iterable<K> {
    return this.#all?.keys() ?? (this.#value === undefined ? [] : [this.#key!])
  }

  values(): Iterable<V> {
    return this.#all?.values() ?? (this.#value === undefined ? [] : [this.#value])
  }
}
