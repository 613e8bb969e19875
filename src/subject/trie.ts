import { SmallMap } from '../base/small-map.ts'
import { tokenEnd, tokens } from './subject.ts'

/**
 * One token of the patterns. A node exists only while a pattern passes through it or ends at it.
 * A client's pattern has one node per token, in each partition, so unused fields stay undefined
 * to save memory.
 */
class Node<Value> {
  literals: SmallMap<string, Node<Value>> | undefined = undefined
  /** The child for `*`. */
  any: Node<Value> | undefined = undefined
  /** Values of the patterns that end here: few, usually one. */
  ends: Value[] | undefined = undefined
  /** Values of the patterns that end here with `>`. */
  rest: Value[] | undefined = undefined

  get empty(): boolean {
    const { literals, any, ends, rest } = this
    return literals === undefined && any === undefined && ends === undefined && rest === undefined
  }
}

/**
 * Values by pattern, found by subject. A match costs the nodes on the subject's paths through the
 * tree, regardless of the number of patterns. Patterns and subjects must be valid. The trie must
 * not change during a visit.
 */
export class PatternTrie<Value> {
  readonly #root = new Node<Value>()
  #size = 0
  #nodes = 0

  /** Number of (pattern, value) pairs. */
  get size(): number {
    return this.#size
  }

  /** Number of nodes below the root; 0 when the trie is empty. */
  get nodes(): number {
    return this.#nodes
  }

  /** Adds a pair. Returns false if it existed already. */
  add(pattern: string, value: Value): boolean {
    const path = tokens(pattern)
    const toRest = path.at(-1) === '>'
    if (toRest) path.pop()
    let node = this.#root
    for (const token of path) node = this.#childOrNew(node, token)
    const list = toRest ? 'rest' : 'ends'
    const values = node[list]
    if (values === undefined) node[list] = [value]
    else if (values.includes(value)) return false
    else values.push(value)
    this.#size++
    return true
  }

  /** Removes a pair. Returns false if it did not exist. */
  remove(pattern: string, value: Value): boolean {
    const path = tokens(pattern)
    const toRest = path.at(-1) === '>'
    if (toRest) path.pop()
    const trail = [this.#root]
    for (const token of path) {
      const next = child(trail.at(-1)!, token)
      if (next === undefined) return false
      trail.push(next)
    }
    const node = trail.at(-1)!
    const list = toRest ? 'rest' : 'ends'
    const values = node[list]
    const at = values === undefined ? -1 : values.indexOf(value)
    if (at < 0) return false
    if (values!.length === 1) node[list] = undefined
    else values!.splice(at, 1)
    this.#size--
    this.#prune(trail, path)
    return true
  }

  /**
   * Visits the value of each matching pair, so twice if a value has two matching patterns.
   * Returns the number of nodes visited.
   */
  match(subject: string, visit: (value: Value) => void): number {
    return walk(this.#root, subject, 0, visit)
  }

  #childOrNew(node: Node<Value>, token: string): Node<Value> {
    const found = child(node, token)
    if (found !== undefined) return found
    const fresh = new Node<Value>()
    if (token === '*') node.any = fresh
    else {
      node.literals ??= new SmallMap()
      node.literals.set(token, fresh)
    }
    this.#nodes++
    return fresh
  }

  #prune(trail: readonly Node<Value>[], path: readonly string[]): void {
    for (let depth = path.length; depth > 0 && trail[depth]!.empty; depth--) {
      const parent = trail[depth - 1]!
      if (path[depth - 1] === '*') parent.any = undefined
      else {
        parent.literals!.delete(path[depth - 1]!)
        if (parent.literals!.size === 0) parent.literals = undefined
      }
      this.#nodes--
    }
  }
}

function child<Value>(node: Node<Value>, token: string): Node<Value> | undefined {
  return token === '*' ? node.any : node.literals?.get(token)
}

/** Recurses once per token of the subject: at most 128 deep, by the subject's maximum length. */
function walk<Value>(node: Node<Value>, subject: string, start: number, visit: (value: Value) => void): number {
  const here = start > subject.length ? node.ends : node.rest
  if (here !== undefined) for (let i = 0; i < here.length; i++) visit(here[i]!)
  if (start > subject.length) return 1
  const end = tokenEnd(subject, start)
  let nodes = 1
  if (node.literals !== undefined) {
    const next = node.literals.get(subject.slice(start, end))
    if (next !== undefined) nodes += walk(next, subject, end + 1, visit)
  }
  if (node.any !== undefined) nodes += walk(node.any, subject, end + 1, visit)
  return nodes
}
