/** The names of platform time that biome's `noRestrictedGlobals` can't say: members, and imports. */
const named =
  /\bDate\.now\(|\bnew Date\(\)|\bprocess\.(?:hrtime|uptime)\b|['"](?:node:)?(?:timers(?:\/promises)?|perf_hooks)['"]/
const global = /\b(?:setTimeout|setInterval|setImmediate|performance)\b/

/** What Node measured of itself, which is no time that code runs by. */
const measures = ['src/telemetry/process.ts']

export interface Override {
  readonly includes: readonly string[]
  readonly linter: { readonly rules: { readonly style?: { readonly noRestrictedGlobals?: unknown } } }
}

/** Files and folders of src that biome lets have real time: one list for both. */
export const excepted = (overrides: readonly Override[]): string[] =>
  overrides
    .filter(({ linter }) => linter.rules.style?.noRestrictedGlobals !== undefined)
    .flatMap(({ includes }) => includes)
    .filter((each) => each.startsWith('!'))
    .map((each) => each.slice(1).replace(/\*\*$/, ''))

const isIn = (file: string, places: readonly string[]): boolean =>
  places.some((place) => (place.endsWith('/') ? file.startsWith(place) : file === place))

/** Files that take time from the platform though they may not. `text` by the file's path. */
export function realTime(files: ReadonlyMap<string, string>, exceptions: readonly string[]): string[] {
  const may = [...exceptions, ...measures]
  return [...files].filter(([file, text]) => !isIn(file, may) && named.test(text)).map(([file]) => file)
}

/** Exceptions that no file needs. */
export function unneeded(files: ReadonlyMap<string, string>, exceptions: readonly string[]): string[] {
  const takers = [...files].filter(([, text]) => named.test(text) || global.test(text)).map(([file]) => file)
  return [...exceptions, ...measures].filter((place) => !takers.some((file) => isIn(file, [place])))
}
