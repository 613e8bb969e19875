import { mostKept } from '../base/descriptors.ts'
import { CarillonError } from '../base/errors.ts'
import { grouped } from '../base/numbers.ts'
import { cpuCores } from './fit.ts'
import type { HostFigures } from './host-figures.ts'
import { type GatewayWindows, plannedWindows, windowBytes } from './windows.ts'
import type { WireBytes } from './wire-bytes.ts'

/** What all gateways together are to carry. */
export interface Demand {
  readonly clients: number
  /** Events a second that are published, and that are given to clients, to all of them. */
  readonly events: number
  readonly deliveries: number
  readonly wire: WireBytes
}

/** Parts of what is there that a plan uses, with one host gone: the rest is for what does not come evenly, and for clients that come back. */
export const ceilings = { cpu: 0.5, memory: 0.9, network: 0.7, descriptors: 1 } as const
export type Resource = keyof typeof ceilings

/** How the load is cut. */
export interface Cut {
  readonly gatewaysPerHost: number
  /** Parts of the subjects, with streams and routes of their own: a gateway reads all of one. */
  readonly slices: number
  /** Of all streams. */
  readonly partitions: number
  /** Of each gateway. */
  readonly windows: GatewayWindows
}

export interface Layout {
  readonly hosts: number
  readonly cut: Cut
}

/** What a partition may carry, bytes a second, so that no broker's disk or reader is bound to one. */
const partitionBytesPerSecond = 10e6
const leastPartitions = 4
const mostHosts = 1_000_000
/** Each has two gateways. */
const mostSlices = mostHosts / 2

/** A gateway is a thread or more; cores that are left take the network's interrupts and V8's collector. */
function mostGateways({ cores, gateway }: HostFigures): number {
  if (gateway.cores >= cores) return 1
  return Math.max(1, Math.floor((cores - Math.ceil(cores / 8)) / gateway.cores))
}

/** The fewest slices with which taking events in leaves half of the CPU that may be used to deliveries. Throws where none do. */
function leastSlices({ cpu, gateway }: HostFigures, { events }: Demand): number {
  const budget = (ceilings.cpu * gateway.cores) / 2 - cpu.idleCores
  if (budget <= 0) throw impossible('a gateway of this kind uses more than a quarter of its CPU for nothing')
  return Math.max(1, Math.ceil((events * cpu.eventUs) / 1e6 / budget))
}

function partitionsOf(slices: number, { events, wire }: Demand): number {
  return slices * Math.max(leastPartitions, Math.ceil((events * wire.record) / slices / partitionBytesPerSecond))
}

/** The part of each resource that a host uses when `hosts` carry everything. */
export function usage(figures: HostFigures, demand: Demand, cut: Cut, hosts: number): Record<Resource, number> {
  const { gatewaysPerHost, slices } = cut
  // A client is on one gateway, whatever it gets.
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

/** Process and windows of a gateway, bytes. */
export function gatewayBytes({ gateway }: HostFigures, { windows }: Cut): number {
  // Figures of another system have no windows of ours.
  if (gateway.processMiB === 0) return 0
  return gateway.processMiB * 2 ** 20 + windowBytes(windows)
}

/** The resource that is nearest to its ceiling, and how near. */
export function binding(used: Readonly<Record<Resource, number>>): { resource: Resource; share: number } {
  const all = (Object.keys(ceilings) as Resource[]).map((resource) => {
    return { resource, share: used[resource] / ceilings[resource] }
  })
  return all.reduce((worst, each) => (each.share > worst.share ? each : worst))
}

/**
 * The fewest hosts that carry everything below all ceilings, with as few gateways on each as do, in as few slices as do. Throws `bad_request`
 * where no number of hosts does.
 */
export function cheapest(figures: HostFigures, demand: Demand): Layout {
  let slices = leastSlices(figures, demand)
  let best = cheapestIn(slices, figures, demand)
  // What a gateway takes in, or keeps of it, may be too much for the network or the memory as well.
  while (!Number.isFinite(best.hosts) && slices < mostSlices) {
    slices *= 2
    best = cheapestIn(slices, figures, demand)
  }
  if (Number.isFinite(best.hosts)) return best
  const { resource } = binding(usage(figures, demand, best.cut, mostHosts))
  throw impossible(`${grouped(mostHosts)} of them have too little ${resource}`)
}

/** More gateways on a host are not always better: each takes in everything of its slice. */
function cheapestIn(slices: number, figures: HostFigures, demand: Demand): Layout {
  const partitions = partitionsOf(slices, demand)
  const windows = plannedWindows(partitions / slices, demand.wire.record)
  const cuts = Array.from({ length: mostGateways(figures) }, (_, i) => {
    return { gatewaysPerHost: i + 1, slices, partitions, windows }
  })
  const found = cuts.map((cut) => ({ cut, hosts: leastHosts(figures, demand, cut) }))
  return found.reduce((a, b) => (b.hosts < a.hosts ? b : a))
}

/** Infinity where no number of them does. */
function leastHosts(figures: HostFigures, demand: Demand, cut: Cut): number {
  const fits = (hosts: number) => binding(usage(figures, demand, cut, hosts)).share <= 1
  // Each slice is on two hosts, so that its clients have somewhere to go.
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
    `no number of such hosts carries this: ${why}; give --host figures of larger ones, or a lower rate`,
  )
