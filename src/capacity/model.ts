import { mostKept } from '../base/descriptors.ts'
import { CarillonError } from '../base/errors.ts'
import { grouped } from '../base/numbers.ts'
import { cpuCores } from './fit.ts'
import type { HostFigures } from './host-figures.ts'
import { type GatewayWindows, plannedWindows, windowBytes } from './windows.ts'
import type { WireBytes } from './wire-bytes.ts'

/** The load of all gateways together. */
export interface Demand {
  readonly clients: number
  /** Published events a second, and deliveries a second to all clients. */
  readonly events: number
  readonly deliveries: number
  readonly wire: WireBytes
}

/**
 * Usable share of each resource, with one host gone: the rest is for uneven load, and for clients
 * that reconnect.
 */
export const ceilings = { cpu: 0.5, memory: 0.9, network: 0.7, descriptors: 1 } as const
export type Resource = keyof typeof ceilings

/** Division of the load. */
export interface Cut {
  readonly gatewaysPerHost: number
  /**
   * Parts of the subjects, each with its own streams and routes: a gateway reads all of one part.
   */
  readonly slices: number
  /** Total over all streams. */
  readonly partitions: number
  /** Windows of each gateway. */
  readonly windows: GatewayWindows
}

export interface Layout {
  readonly hosts: number
  readonly cut: Cut
}

/**
 * Maximum load of a partition, bytes a second, so that no broker's disk or reader depends on one.
 */
const partitionBytesPerSecond = 10e6
const leastPartitions = 4
const mostHosts = 1_000_000
/** Each slice has two gateways. */
const mostSlices = mostHosts / 2

/**
 * Returns the maximum gateways on a host. A gateway uses one thread or more; the remaining cores
 * handle network interrupts and V8's collector.
 */
function mostGateways({ cores, gateway }: HostFigures): number {
  if (gateway.cores >= cores) return 1
  return Math.max(1, Math.floor((cores - Math.ceil(cores / 8)) / gateway.cores))
}

/**
 * Returns the fewest slices with which intake leaves half of the usable CPU to deliveries. Throws
 * if no number does.
 */
function leastSlices({ cpu, gateway }: HostFigures, { events }: Demand): number {
  const budget = (ceilings.cpu * gateway.cores) / 2 - cpu.idleCores
  if (budget <= 0) throw impossible('a gateway of this kind uses more than a quarter of its CPU without load')
  return Math.max(1, Math.ceil((events * cpu.eventUs) / 1e6 / budget))
}

function partitionsOf(slices: number, { events, wire }: Demand): number {
  return slices * Math.max(leastPartitions, Math.ceil((events * wire.record) / slices / partitionBytesPerSecond))
}

/** Returns the share of each resource that a host uses if `hosts` carry everything. */
export function usage(figures: HostFigures, demand: Demand, cut: Cut, hosts: number): Record<Resource, number> {
  const { gatewaysPerHost, slices } = cut
  // A client is on one gateway, whatever it receives.
  const gateways = Math.min(demand.clients, hosts * gatewaysPerHost)
  const { cpu, memory, gateway } = figures
  const intake = (demand.events / slices) * cpu.eventUs * 1e-6
  const cores = intake + cpuCores(cpu, demand.clients / gateways, demand.deliveries / gateways)
  const out = (demand.deliveries / Math.min(demand.clients, hosts)) * demand.wire.onWire
  const into = gatewaysPerHost * (demand.events / slices) * demand.wire.record
  const perClient = memory.residentBytes + memory.kernelBytes
  const used = gatewaysPerHost * gatewayBytes(figures, cut) + (demand.clients / hosts) * perClient
  return {
    cpu: cores / gateway.cores,
    memory: used / (figures.memoryGiB * 2 ** 30),
    network: (Math.max(out, into) * 8) / (figures.nicGbps * 1e9),
    descriptors: demand.clients / gateways / (gateway.descriptors - mostKept),
  }
}

/** Returns the memory of a gateway's process and windows, bytes. */
export function gatewayBytes({ gateway }: HostFigures, { windows }: Cut): number {
  // Figures of another system do not include our windows.
  if (gateway.processMiB === 0) return 0
  return gateway.processMiB * 2 ** 20 + windowBytes(windows)
}

/** Returns the resource nearest to its ceiling, and its share of the ceiling. */
export function binding(used: Readonly<Record<Resource, number>>): { resource: Resource; share: number } {
  const all = (Object.keys(ceilings) as Resource[]).map((resource) => {
    return { resource, share: used[resource] / ceilings[resource] }
  })
  return all.reduce((worst, each) => (each.share > worst.share ? each : worst))
}

/**
 * Returns the layout with the fewest hosts that stay below all ceilings, and then the fewest
 * gateways on each and the fewest slices. Throws `bad_request` if no number of hosts suffices.
 */
export function cheapest(figures: HostFigures, demand: Demand): Layout {
  let slices = leastSlices(figures, demand)
  let best = cheapestIn(slices, figures, demand)
  // The intake of a gateway, or the part it keeps, may also exceed the network or the memory.
  while (!Number.isFinite(best.hosts) && slices < mostSlices) {
    slices *= 2
    best = cheapestIn(slices, figures, demand)
  }
  if (Number.isFinite(best.hosts)) return best
  const { resource } = binding(usage(figures, demand, best.cut, mostHosts))
  throw impossible(`even ${grouped(mostHosts)} of them have too little ${resource}`)
}

/**
 * Finds the cheapest layout for a number of slices. More gateways on a host are not always
 * better: each takes in its whole slice.
 */
function cheapestIn(slices: number, figures: HostFigures, demand: Demand): Layout {
  const partitions = partitionsOf(slices, demand)
  const windows = plannedWindows(partitions / slices, demand.wire.record)
  const cuts = Array.from({ length: mostGateways(figures) }, (_, i) => {
    return { gatewaysPerHost: i + 1, slices, partitions, windows }
  })
  const found = cuts.map((cut) => ({ cut, hosts: leastHosts(figures, demand, cut) }))
  return found.reduce((a, b) => (b.hosts < a.hosts ? b : a))
}

/** Returns the fewest hosts that suffice; Infinity = no number does. */
function leastHosts(figures: HostFigures, demand: Demand, cut: Cut): number {
  const fits = (hosts: number) => binding(usage(figures, demand, cut, hosts)).share <= 1
  // Each slice is on two hosts, so that its clients can move.
  let low = cut.slices === 1 ? 1 : Math.max(2, Math.ceil((2 * cut.slices) / cut.gatewaysPerHost))
  let high = low
  while (!fits(high)) {
    if (high >= mostHosts) return Number.POSITIVE_INFINITY
    low = high + 1
    high = Math.min(mostHosts, high * 2)
  }
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (fits(middle)) high = middle
    else low = middle + 1
  }
  return high
}

const impossible = (why: string) =>
  new CarillonError(
    'bad_request',
    `no number of such hosts carries this: ${why}; pass --host with figures of larger hosts, or lower the rate`,
  )
