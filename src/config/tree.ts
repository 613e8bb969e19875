export type Tree = Record<string, unknown>

export function get(tree: unknown, path: string): unknown {
  let at = tree
  for (const name of path === '' ? [] : path.split('.')) {
    if (typeof at !== 'object' || at === null) return undefined
    at = (at as Tree)[name]
  }
  return at
}

export function set(tree: Tree, path: string, value: unknown): void {
  const names = path.split('.')
  const last = names.pop()!
  let at = tree
  for (const name of names) {
    const below = at[name] ?? {}
    // Not a mapping: leave it, so that the schema reports it.
    if (typeof below !== 'object' || Array.isArray(below)) return
    at[name] = { ...below }
    at = at[name] as Tree
  }
  at[last] = value
}
