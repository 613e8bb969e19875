import { readFileSync } from 'node:fs'
import { CarillonError } from '../base/errors.ts'
import { shortJson } from '../base/shortened.ts'

/**
 * What a host of one kind can do, as it was measured: `carillon plan` computes with these alone. `carillon doctor --measure` writes
 * such a file. Times are of CPU; a gateway is one process.
 */
export interface HostFigures {
  /** Where the figures come from, for people. */
  readonly source: string
  readonly cores: number
  readonly memoryGiB: number
  /** Of the network card, gigabits a second, in each direction. */
  readonly nicGbps: number
  readonly gateway: {
    /** Cores that one gateway can use: 1 where it is one thread. */
    readonly cores: number
    /** Open files that it may have. */
    readonly descriptors: number
    /** Resident memory without clients and windows. */
    readonly processMiB: number
  }
  readonly cpu: {
    /** Cores' worth that goes however little there is to do: fetches, timers. */
    readonly idleCores: number
    /** An event taken in, microseconds. */
    readonly eventUs: number
    /** An event given to one client, microseconds, while there are few clients. */
    readonly deliveryUs: number
    /** What each further million clients of a gateway adds to that, microseconds. */
    readonly deliveryUsPerMillionClients: number
    /** A client that connects, subscription included, microseconds. */
    readonly connectUs: number
  }
  readonly memory: {
    /** A client in the gateway's process, and in the kernel, bytes. */
    readonly residentBytes: number
    readonly kernelBytes: number
  }
  /** The 99th percentile that was measured, ms, and which part of the gateway's cores it used; absent = not measured. */
  readonly latency?: { readonly p99Ms: number; readonly cpuShare: number }
}

/** What a file must have, and the least that makes sense. */
const shape: Readonly<Record<string, Readonly<Record<string, number>> | number | 'text'>> = {
  source: 'text',
  cores: 1,
  memoryGiB: 0.1,
  nicGbps: 0.001,
  gateway: { cores: 0.1, descriptors: 1001, processMiB: 0 },
  cpu: { idleCores: 0, eventUs: 0, deliveryUs: 0.01, deliveryUsPerMillionClients: 0, connectUs: 0 },
  memory: { residentBytes: 1, kernelBytes: 0 },
}

/** Throws `bad_request` for a file that can't be read or lacks something. */
export function readHostFigures(file: string): HostFigures {
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw bad(
      file,
      `expected a readable JSON file, as carillon doctor --measure writes it: ${(error as Error).message}`,
    )
  }
  if (!isMapping(parsed)) throw bad(file, 'expected a mapping of figures at the top')
  for (const [name, rule] of Object.entries(shape)) expectValue(file, name, parsed[name], rule)
  if (parsed.latency !== undefined) expectValue(file, 'latency', parsed.latency, { p99Ms: 0, cpuShare: 0 })
  return parsed as unknown as HostFigures
}

function expectValue(file: string, name: string, value: unknown, rule: (typeof shape)[string]): void {
  if (rule === 'text') {
    if (typeof value !== 'string' || value === '') throw bad(file, `${name}: expected a text, got ${shown(value)}`)
  } else if (typeof rule === 'number') {
    if (typeof value !== 'number' || !Number.isFinite(value) || value < rule) {
      throw bad(file, `${name}: expected a number of at least ${rule}, got ${shown(value)}`)
    }
  } else {
    if (!isMapping(value))
      throw bad(file, `${name}: expected a mapping with ${Object.keys(rule).join(', ')}, got ${shown(value)}`)
    for (const [key, least] of Object.entries(rule)) expectValue(file, `${name}.${key}`, value[key], least)
  }
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const shown = (value: unknown) => shortJson(value, 100)
const bad = (file: string, what: string) => new CarillonError('bad_request', `--host ${file}: ${what}`)
