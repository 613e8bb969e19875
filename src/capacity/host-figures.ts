import { readFileSync } from 'node:fs'
import { CarillonError } from '../base/errors.ts'
import { shortJson } from '../base/shortened.ts'

/**
 * Measured figures of one kind of host: `carillon plan` uses only these. `carillon doctor
 * --measure` writes such a file. Times are CPU times; a gateway is one process.
 */
export interface HostFigures {
  /** Origin of the figures, for display. */
  readonly source: string
  readonly cores: number
  readonly memoryGiB: number
  /** Speed of the network card in each direction, gigabits a second. */
  readonly nicGbps: number
  readonly gateway: {
    /** Cores that one gateway can use: 1 if it is one thread. */
    readonly cores: number
    /** Maximum open files. */
    readonly descriptors: number
    /** Resident memory without clients and windows. */
    readonly processMiB: number
  }
  readonly cpu: {
    /** Cores used without load: fetches, timers. */
    readonly idleCores: number
    /** Intake of an event, microseconds. */
    readonly eventUs: number
    /** Delivery of an event to one client, microseconds, while there are few clients. */
    readonly deliveryUs: number
    /** Additional microseconds a delivery for each million clients of a gateway. */
    readonly deliveryUsPerMillionClients: number
    /** Connection of a client, including its subscription, microseconds. */
    readonly connectUs: number
  }
  readonly memory: {
    /** Memory of a client in the gateway's process, and in the kernel, bytes. */
    readonly residentBytes: number
    readonly kernelBytes: number
  }
  /**
   * Measured 99th percentile, ms, and share of the gateway's cores used during that; absent = not
   * measured.
   */
  readonly latency?: { readonly p99Ms: number; readonly cpuShare: number }
}

/** Required figures of a file, with their minimum. */
const shape: Readonly<Record<string, Readonly<Record<string, number>> | number | 'text'>> = {
  source: 'text',
  cores: 1,
  memoryGiB: 0.1,
  nicGbps: 0.001,
  gateway: { cores: 0.1, descriptors: 1001, processMiB: 0 },
  cpu: { idleCores: 0, eventUs: 0, deliveryUs: 0.01, deliveryUsPerMillionClients: 0, connectUs: 0 },
  memory: { residentBytes: 1, kernelBytes: 0 },
}

/**
 * Reads the figures of a file. Throws `bad_request` if the file cannot be read or is incomplete.
 */
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
    if (typeof value !== 'string' || value === '') throw bad(file, `${name}: expected a string, got ${shown(value)}`)
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
