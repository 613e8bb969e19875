import { posix } from 'node:path'
import { adapters, generatedTypes, layers, owners, workshop } from './layers.ts'

export interface Import {
  /** Path in the repository. */
  readonly from: string
  /** As written. */
  readonly what: string
}

/** The tables as one, by paths in the repository. */
export const rooms: ReadonlyMap<string, readonly string[]> = new Map([
  ...Object.entries(layers).map(([room, { may }]) => [`src/${room}`, may.map((place) => `src/${place}`)] as const),
  ...Object.entries(workshop),
])

/** Statements stand at the start of a line (the formatter's doing); type queries and dynamic imports anywhere. */
const statement = /^(?:import|export)\b(?:[^'"`;()=]*?\bfrom)?\s*['"]([^'"]+)['"]/gm
const call = /^(?!\s*(?:\*|\/\/)).*?\b(?:import|require)\((.*)/gm
/** A file that becomes a process of its own. */
const started = /\bnew URL\(\s*['"]([^'"]+\.[jt]s)['"],\s*import\.meta\.url/g

export function importsOf(from: string, text: string): Import[] {
  const found = [...text.matchAll(statement)].map(([, what]) => ({ from, what: what! }))
  for (const [line] of text.matchAll(call)) {
    for (const [, argument] of line.matchAll(/(?<![.#\w])(?:import|require)\(\s*([^)]*)/g)) {
      const literal = /^['"]([^'"]+)['"]/.exec(argument!)
      found.push({ from, what: literal?.[1] ?? `(${argument!.trim()})` })
    }
  }
  // A test may run any script, which is no import.
  if (!from.startsWith('src/')) return found
  for (const [, what] of text.matchAll(started)) found.push({ from, what: what!.startsWith('.') ? what! : `./${what}` })
  return found
}

/** The file that a relative import means. */
export const target = ({ from, what }: Import): string => posix.join(posix.dirname(from), what)
export const isOfFile = ({ what }: Import): boolean => what.startsWith('.')
export const packageOf = (what: string): string => what.split('/', what.startsWith('@') ? 2 : 1).join('/')

/** undefined = no row is about the file. */
export function roomOf(file: string): string | undefined {
  for (let place = file; place !== '.'; place = posix.dirname(place)) {
    const isRoot = !place.includes('/')
    if (rooms.has(place) && (!isRoot || posix.dirname(file) === place)) return place
  }
  return undefined
}

const anywhere = 'src/**/'

function allows(place: string, to: string): boolean {
  if (place.startsWith(anywhere)) return to.startsWith('src/') && posix.basename(to) === place.slice(anywhere.length)
  return place === to || place === roomOf(to)
}

/** Why the import is not allowed; undefined where it is. */
function fault(each: Import): string | undefined {
  const { from, what } = each
  const inSrc = from.startsWith('src/')
  if (what.startsWith('(')) return inSrc ? 'write the path as a literal, so that this test can judge it' : undefined
  if (isOfFile(each)) return roomFault(each)
  if (!inSrc) return undefined
  return what.startsWith('node:') ? nodeFault(from) : packageFault(each)
}

function roomFault(each: Import): string | undefined {
  const own = roomOf(each.from)
  if (own === undefined) return `${posix.dirname(each.from)} has no row in the tables of rooms: give it one`
  const to = target(each)
  if (roomOf(to) === undefined) return 'no row in the tables of rooms is about it'
  const sibling = adapters.find((place) => to.startsWith(`src/${place}`))
  if (own === 'src/source' && sibling !== undefined && isOfOtherAdapter(each.from, sibling)) {
    return 'adapters of the broker contract know nothing of each other'
  }
  if (roomOf(to) === own || (!own.startsWith('src/') && to.startsWith('src/'))) return undefined
  const may = rooms.get(own)!
  return may.some((place) => allows(place, to)) ? undefined : `${own} may import only: ${may.join(', ') || 'nothing'}`
}

const isOfOtherAdapter = (file: string, adapter: string): boolean =>
  adapters.some((place) => place !== adapter && file.startsWith(`src/${place}`))

function nodeFault(from: string): string | undefined {
  const own = roomOf(from)?.slice('src/'.length) ?? ''
  const browser = layers[own]?.browser
  return browser === undefined || browser.includes(from.slice('src/'.length))
    ? undefined
    : `${own} runs in browsers too`
}

function packageFault({ from, what }: Import): string | undefined {
  const name = packageOf(what)
  if (generatedTypes.includes(name) && from.startsWith('src/wire/generated/')) return undefined
  const owner = owners[name]
  if (owner === undefined) return `the package ${name} has no owner: name the one place that may use it`
  return from.startsWith(`src/${owner}`) ? undefined : `only ${owner} uses the package ${name}`
}

export const faults = (imports: readonly Import[]): string[] =>
  imports.flatMap((each) => {
    const why = fault(each)
    return why === undefined ? [] : [`${each.from} imports ${each.what}: ${why}`]
  })

/** Permissions that no import needs. */
export function unused(imports: readonly Import[]): string[] {
  const targets = Map.groupBy(imports.filter(isOfFile), ({ from }) => roomOf(from))
  const room = ([name, may]: readonly [string, readonly string[]]): string[] =>
    may
      .filter(
        (place) => !targets.get(name)?.some((each) => roomOf(target(each)) !== name && allows(place, target(each))),
      )
      .map((place) => `${name} may import ${place}, and does not`)
  const nodes = new Set(imports.filter(({ what }) => what.startsWith('node:')).map(({ from }) => from))
  const exceptions = Object.values(layers).flatMap(({ browser = [] }) => browser)
  return [
    ...[...rooms].flatMap(room),
    ...exceptions.filter((file) => !nodes.has(`src/${file}`)).map((file) => `src/${file} may use Node, and does not`),
  ]
}

export type Edge = readonly [from: string, to: string]

/** One cycle, as a path; undefined where there is none. */
export function cycle(edges: readonly Edge[]): string[] | undefined {
  const next = Map.groupBy(edges, ([from]) => from)
  const done = new Set<string>()
  const path: string[] = []
  const visit = (place: string): string[] | undefined => {
    if (path.includes(place)) return [...path.slice(path.indexOf(place)), place]
    if (done.has(place)) return undefined
    path.push(place)
    for (const [, to] of next.get(place) ?? []) {
      const found = visit(to)
      if (found !== undefined) return found
    }
    path.pop()
    done.add(place)
    return undefined
  }
  for (const place of next.keys()) {
    const found = visit(place)
    if (found !== undefined) return found
  }
  return undefined
}

export const filesOf = (imports: readonly Import[]): Edge[] =>
  imports.filter(isOfFile).map((each) => [each.from, target(each)])

export const roomsOf = (imports: readonly Import[]): Edge[] =>
  filesOf(imports)
    .map(([from, to]): Edge => [roomOf(from) ?? from, roomOf(to) ?? to])
    .filter(([from, to]) => from !== to)
