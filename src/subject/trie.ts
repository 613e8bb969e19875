import { SmallMap } from '../base/small-map.ts'
import { tokenEnd, tokens } from './subject.ts'

/**
 * One token deep in the patterns; it exists only while a pattern goes through or ends here. A client's own pattern has one for each of its
 * tokens, in each partition: what it does not need, it does not have.
 */
class Node<Value> {
  literals: SmallMap<string, Node<Value>> | undefined = undefined
  /** What follows a `*` at this place. */
  any: Node<Value> | undefined = undefined
  /** Values of the patterns that end here: few, as a rule one. */
  ends: Value[] | undefined = undefined
  /** Values of the patterns that end here with a `>`. */
  rest: Value[] | undefined = undefined

  get empty(): boolean {
    const { literals, any, ends, rest } = this
    return literals === undefined && any === undefined && ends === undefined && rest === undefined
  }
}

/**
 * Values by pattern, found by subject: a match costs the nodes on the subject's ways through the tree, whatever the number
 * of patterns. Patterns and subjects must be valid. Not to be changed from within a visit.
 */
export class PatternTrie<Value> {
  readonly #root = new Node<Value>()
  #size = 0
  #nodes = 0

  /** Pairs of pattern and value. */
  get size(): number {
    return this.#size
  }

  /** Nodes below the root: 0 when nothing is left. */
  get nodes(): number {
    return this.#nodes
  }

  /** False when the pair was there already. */
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

  /** False when there was no such pair. */
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

  /** Visits the value of each pair whose pattern matches: twice where a value has two such patterns. Returns how many nodes that took. */
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

/** As deep as the subject has tokens: 128 at most, by its length. */
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
