import { mostKept } from '../base/descriptors.ts'
import { bytes, counted, duration, grouped, roundUp } from '../base/numbers.ts'
import { sessionLimits } from '../session/options.ts'
import type { HostFigures } from './host-figures.ts'
import { binding, type Cut, ceilings, cheapest, type Demand, gatewayBytes, type Resource, usage } from './model.ts'
import { roomyMiB, sessionCost } from './session-cost.ts'
import { type GatewayWindows, windowOptions, windowSum } from './windows.ts'
import { wireBytes } from './wire-bytes.ts'

export interface PlanRequest {
  readonly clients: number
  /** Events that each client receives, a second. */
  readonly ratePerClient: number
  /** Clients that each event goes to. */
  readonly fanOut: number
  /** Data of an event, bytes. */
  readonly payloadBytes: number
  readonly p99Ms: number
  /** Hosts that may fail at the same time. */
  readonly spares: number
  /** Replicas in the broker, and retention, ms. */
  readonly replication: number
  readonly retentionMs: number
}

export const planDefaults = { fanOut: 1, spares: 1, replication: 3, retentionMs: 24 * 3_600_000 } as const

/** One step of the arithmetic. */
export interface PlanLine {
  readonly what: string
  readonly arithmetic: string
  readonly result: string
}

export interface Plan {
  /** Hosts that carry everything, and additional spare hosts. */
  readonly hosts: number
  readonly spares: number
  readonly gatewaysPerHost: number
  readonly slices: number
  readonly partitions: number
  /** Windows of each gateway. */
  readonly windows: GatewayWindows
  /**
   * The resource that is exhausted first, and its share of its ceiling without the spares, 0 to
   * 1.
   */
  readonly binds: { readonly resource: Resource; readonly share: number }
  /** Used shares of a host's resources, without the spares and with all hosts. */
  readonly used: Readonly<Record<Resource, number>>
  readonly usedByAll: Readonly<Record<Resource, number>>
  /** Memory of one host without the spares, bytes. */
  readonly memory: { readonly gateways: number; readonly clients: number; readonly kernel: number }
  /** Network traffic of one host without the spares, bytes a second. */
  readonly network: { readonly out: number; readonly in: number }
  readonly broker: {
    readonly eventsPerSecond: number
    readonly writtenBytesPerSecond: number
    readonly readBytesPerSecond: number
    readonly diskBytes: number
  }
  readonly settings: readonly string[]
  readonly lines: readonly PlanLine[]
  /** Limits and assumptions of the plan. */
  readonly notes: readonly string[]
}

/**
 * Plans the hosts for a load, from the figures of one. Throws `bad_request` if no number of hosts
 * suffices.
 */
export function makePlan(request: PlanRequest, figures: HostFigures): Plan {
  const deliveries = request.clients * request.ratePerClient
  const wire = wireBytes(request.payloadBytes)
  const demand = { clients: request.clients, deliveries, events: deliveries / request.fanOut, wire }
  const { hosts, cut } = cheapest(figures, demand)
  const used = usage(figures, demand, cut, hosts)
  const all = hosts + request.spares
  const { memory } = figures
  const perHost = Math.ceil(request.clients / hosts)
  return {
    hosts,
    spares: request.spares,
    ...cut,
    binds: binding(used),
    used,
    usedByAll: usage(figures, demand, cut, all),
    memory: {
      gateways: cut.gatewaysPerHost * gatewayBytes(figures, cut),
      clients: perHost * memory.residentBytes,
      kernel: perHost * memory.kernelBytes,
    },
    network: networkOf(demand, cut, hosts),
    broker: brokerOf(request, demand, cut, all),
    settings: settingsOf(figures, perHost, cut),
    lines: [
      ...demandLines(request, demand),
      ...cpuLines(figures, demand, cut, hosts),
      ...memoryLines(figures, request, cut, hosts),
      ...networkLines(figures, demand, cut, hosts),
      ...hostLines(request, hosts, used),
      ...brokerLines(request, demand, cut, all),
      ...stormLines(figures, demand, cut, all),
    ],
    notes: notesOf(request, figures, cut, used),
  }
}

function networkOf({ deliveries, events, wire }: Demand, cut: Cut, hosts: number): Plan['network'] {
  return { out: (deliveries / hosts) * wire.onWire, in: (cut.gatewaysPerHost * events * wire.record) / cut.slices }
}

function brokerOf(
  { replication, retentionMs }: PlanRequest,
  { events, wire }: Demand,
  cut: Cut,
  all: number,
): Plan['broker'] {
  const written = events * wire.record
  return {
    eventsPerSecond: events,
    writtenBytesPerSecond: written * replication,
    readBytesPerSecond: (all * cut.gatewaysPerHost * written) / cut.slices,
    diskBytes: (written * replication * retentionMs) / 1000,
  }
}

const line = (what: string, arithmetic: string, result: string): PlanLine => ({ what, arithmetic, result })
const perSecond = (value: number) => `${grouped(Number(value.toPrecision(4)))}/s`
const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`
const short = (value: number) => grouped(Number(value.toPrecision(3)))

function demandLines({ clients, ratePerClient, fanOut, payloadBytes }: PlanRequest, demand: Demand): PlanLine[] {
  const each = short(ratePerClient * 60)
  return [
    line('deliveries', `${counted(clients, 'client')} x ${each} a minute`, perSecond(demand.deliveries)),
    line(
      'events',
      `${perSecond(demand.deliveries)} deliveries / ${counted(fanOut, 'client')} each`,
      perSecond(demand.events),
    ),
    line('a delivery on the wire', demand.wire.sum, `${grouped(demand.wire.onWire)} bytes`),
    line(
      'a record in the broker',
      `${payloadBytes} data, envelope, key and record`,
      `${grouped(demand.wire.record)} bytes`,
    ),
  ]
}

function cpuLines(
  { cpu, gateway }: HostFigures,
  { clients, deliveries, events }: Demand,
  cut: Cut,
  hosts: number,
): PlanLine[] {
  const gateways = hosts * cut.gatewaysPerHost
  const intake = ((events / cut.slices) * cpu.eventUs) / 1e6
  const deliveryUs = cpu.deliveryUs + (cpu.deliveryUsPerMillionClients * clients) / gateways / 1e6
  const out = (deliveries / gateways) * deliveryUs * 1e-6
  const total = cpu.idleCores + intake + out
  const grown = `${short(cpu.deliveryUs)} us + ${short(cpu.deliveryUsPerMillionClients)} us x ${short(clients / gateways / 1e6)} M clients`
  return [
    line(
      'CPU of a gateway: intake',
      `${short(cpu.idleCores)} cores + ${perSecond(events)} / ${counted(cut.slices, 'slice')} x ${short(cpu.eventUs)} us`,
      `${short(cpu.idleCores + intake)} cores`,
    ),
    line(
      'CPU of a gateway: deliveries',
      `${perSecond(deliveries)} / ${counted(gateways, 'gateway')} x (${grown})`,
      `${short(out)} cores`,
    ),
    line(
      'CPU of a gateway',
      `${short(total)} of ${counted(gateway.cores, 'core')}, at most ${percent(ceilings.cpu)}`,
      percent(total / gateway.cores),
    ),
  ]
}

function memoryLines(figures: HostFigures, { clients }: PlanRequest, cut: Cut, hosts: number): PlanLine[] {
  const { memory, gateway, memoryGiB } = figures
  const each = Math.ceil(clients / hosts)
  const own = gatewayBytes(figures, cut)
  const windows = own === 0 ? 'not in these figures' : `${gateway.processMiB} MiB + ${windowSum(cut.windows)}`
  const total = cut.gatewaysPerHost * own + each * (memory.residentBytes + memory.kernelBytes)
  return [
    line('memory of a host: gateways', `${cut.gatewaysPerHost} x (${windows})`, bytes(cut.gatewaysPerHost * own)),
    line(
      'memory of a host: clients, user',
      `${grouped(each)} x ${grouped(memory.residentBytes)} bytes`,
      bytes(each * memory.residentBytes),
    ),
    line(
      'memory of a host: clients, kernel',
      `${grouped(each)} x ${grouped(memory.kernelBytes)} bytes`,
      bytes(each * memory.kernelBytes),
    ),
    line(
      'memory of a host',
      `${bytes(total)} of ${grouped(memoryGiB)} GiB, at most ${percent(ceilings.memory)}`,
      percent(total / (memoryGiB * 2 ** 30)),
    ),
  ]
}

function networkLines({ nicGbps }: HostFigures, demand: Demand, cut: Cut, hosts: number): PlanLine[] {
  const { deliveries, events, wire } = demand
  const network = networkOf(demand, cut, hosts)
  const gbps = (value: number) => `${short((value * 8) / 1e9)} Gbit/s`
  const most = Math.max(network.out, network.in)
  return [
    line(
      'network of a host: out',
      `${perSecond(deliveries)} / ${counted(hosts, 'host')} x ${grouped(wire.onWire)} bytes`,
      gbps(network.out),
    ),
    line(
      'network of a host: in',
      `${counted(cut.gatewaysPerHost, 'gateway')} x ${perSecond(events)} / ${counted(cut.slices, 'slice')} x ${grouped(wire.record)} bytes`,
      gbps(network.in),
    ),
    line(
      'network of a host',
      `${gbps(most)} of ${grouped(nicGbps)} Gbit/s, at most ${percent(ceilings.network)}`,
      percent((most * 8) / (nicGbps * 1e9)),
    ),
  ]
}

function hostLines({ clients, spares }: PlanRequest, hosts: number, used: Plan['used']): PlanLine[] {
  const { resource, share } = binding(used)
  return [
    line(
      'hosts',
      `the fewest that stay below each ceiling; ${resource} binds, at ${percent(share)} of its ceiling`,
      grouped(hosts),
    ),
    line('hosts with spares', `${grouped(hosts)} + ${grouped(spares)}`, grouped(hosts + spares)),
    line(
      'clients of a host',
      `${grouped(clients)} / ${grouped(hosts + spares)}; / ${grouped(hosts)} with the spares gone`,
      `${grouped(Math.ceil(clients / (hosts + spares)))}; ${grouped(Math.ceil(clients / hosts))}`,
    ),
  ]
}

function brokerLines(request: PlanRequest, demand: Demand, cut: Cut, all: number): PlanLine[] {
  const { replication, retentionMs } = request
  const { events, wire } = demand
  const broker = brokerOf(request, demand, cut, all)
  const rate = (value: number) => `${bytes(value)}/s`
  const each = events / cut.partitions
  const written = events * wire.record
  const { windowMiB } = cut.windows
  const heldMs = (windowMiB * 2 ** 20 * 1000) / (written / cut.slices)
  return [
    line(
      'partitions',
      `${counted(cut.slices, 'slice')} x ${cut.partitions / cut.slices}, ${perSecond(each)} and ${rate(each * wire.record)} in each`,
      grouped(cut.partitions),
    ),
    line('the windows hold', `${windowMiB} MiB / ${rate(written / cut.slices)}`, duration(heldMs)),
    line(
      'broker: written',
      `${rate(written)} x ${counted(replication, 'copy', 'copies')}`,
      rate(broker.writtenBytesPerSecond),
    ),
    line(
      'broker: read',
      `${counted(all * cut.gatewaysPerHost, 'gateway')} x ${rate(written)} / ${counted(cut.slices, 'slice')}`,
      rate(broker.readBytesPerSecond),
    ),
    line('broker: disk', `${rate(broker.writtenBytesPerSecond)} x ${duration(retentionMs)}`, bytes(broker.diskBytes)),
  ]
}

/**
 * Estimates how long reconnection takes after a host failure, with the CPU that the other hosts
 * have left.
 */
function stormLines(figures: HostFigures, demand: Demand, cut: Cut, all: number): PlanLine[] {
  if (all < 2 || figures.cpu.connectUs === 0) return []
  const { cpu, gateway } = figures
  const moved = Math.ceil(demand.clients / all)
  const left = (all - 1) * cut.gatewaysPerHost * gateway.cores * (1 - usage(figures, demand, cut, all - 1).cpu)
  if (left <= 0) return [line('a host fails', 'the others have no CPU left for its clients', 'never')]
  const seconds = (moved * cpu.connectUs) / 1e6 / left
  return [
    line(
      'a host fails',
      `${grouped(moved)} clients x ${short(cpu.connectUs)} us / ${short(left)} cores left`,
      `${duration(seconds * 1000)} until all have reconnected`,
    ),
  ]
}

function settingsOf({ gateway }: HostFigures, clients: number, { gatewaysPerHost, windows }: Cut): string[] {
  const each = Math.ceil(clients / gatewaysPerHost)
  const files = Math.min(gateway.descriptors, roundUp(each + mostKept))
  const heapMiB = (sessionCost.processHeapBytes + each * sessionCost.heapBytes) / 2 ** 20
  const sessionMiB = Math.max(sessionLimits.maxTotalSessionMiB, roomyMiB(each))
  const pages = Math.ceil((clients * 16_384) / 4096)
  return [
    `LimitNOFILE=${files} (systemd, of each gateway)`,
    `fs.nr_open = ${Math.max(files, 1_048_576)}`,
    'fs.file-max = 9223372036854775807',
    'net.ipv4.tcp_notsent_lowat = 16384',
    'net.ipv4.tcp_wmem = 4096 16384 1048576',
    `net.ipv4.tcp_mem = ${pages} ${Math.ceil(pages * 1.33)} ${pages * 2}, if the kernel's value is lower`,
    'net.core.somaxconn = 4096',
    'net.ipv4.tcp_syncookies = 1',
    `net.netfilter.nf_conntrack_max = ${roundUp(2 * clients)}, if a firewall tracks connections`,
    ...[
      `limits.maxSessions: ${files}`,
      `limits.maxTotalSubscriptions: ${Math.max(sessionLimits.maxTotalSubscriptions, files)}, or as many as clients create`,
      `limits.maxTotalSessionMiB: ${sessionMiB}`,
      ...windowOptions(windows),
    ].map((each) => `${each} (each gateway's configuration)`),
    `CARILLON_NODE_OPTIONS=--max-old-space-size=${Math.max(2048, Math.ceil((2 * heapMiB) / 256) * 256)} (each gateway's environment)`,
  ]
}

/** The limit in deploy/systemd/carillon.service. */
const advisedDescriptors = 1_048_576

function notesOf(
  { p99Ms }: PlanRequest,
  { latency, cpu, gateway, source }: HostFigures,
  cut: Cut,
  used: Plan['used'],
): string[] {
  const notes = ['Latency is not predicted: it depends on how evenly events arrive, and on the network.']
  if (latency === undefined)
    notes.push(`The figures do not include the 99th percentile, so they do not support ${p99Ms} ms.`)
  else if (latency.p99Ms > p99Ms) {
    notes.push(
      `The figures do not support a 99th percentile of ${p99Ms} ms: they were measured at ${latency.p99Ms} ms.`,
    )
  } else if (used.cpu > latency.cpuShare) {
    notes.push(
      `The figures are ${latency.p99Ms} ms with ${percent(latency.cpuShare)} of the CPU used; here it is ${percent(used.cpu)} without the spares, so measure at that load: carillon doctor --measure.`,
    )
  }
  if (binding(used).resource === 'descriptors' && gateway.descriptors < advisedDescriptors) {
    notes.push(
      `The figures limit a process to ${grouped(gateway.descriptors)} descriptors: raise that limit before you add hosts (LimitNOFILE=${advisedDescriptors}), and "gateway.descriptors" in the file.`,
    )
  }
  if (cut.slices > 1) {
    notes.push(
      `Each gateway of a cluster reads every event, which is too much here: divide the subjects into ${cut.slices} slices, each with its own stream, topic and routes, and two or more gateways.`,
    )
  }
  if (cpu.deliveryUsPerMillionClients === 0)
    notes.push('The figures do not include how the cost of a delivery grows with clients: the plan assumes no growth.')
  notes.push(
    'TLS, JSON and SSE cost more than the plain WebSockets with protobuf that this plan assumes.',
    `Figures: ${source}.`,
  )
  return notes
}
