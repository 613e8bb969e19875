import type { Cpu } from '../../src/bench/process/host.ts'
import { quantileBound } from '../../src/bench/process/metrics.ts'
import type { Measured } from '../../src/bench/report/measured.ts'
import type { Run } from './delivery.ts'
import type { Row } from './table.ts'

/** From here on the load's single thread has no room left for a fair measurement. */
const maxLoadShare = 0.85
const maxLateMs = 20
/** Below that everybody waits for a core. */
const leastIdle = 0.03

const eventsMetric = 'carillon_events_in_total'
const deliveriesMetric = 'carillon_deliveries_total'
const writtenMetric = 'carillon_publish_to_written_seconds'

/** A run and what came of it. */
export interface Outcome {
  readonly run: Run
  readonly measured: Measured
}

/** What the gateway counted in the window. */
function counted({ before: [before], after: [after] }: Measured, metric: string): number {
  return after!.sum(metric) - before!.sum(metric)
}

/** Upper bound of a quantile of the gateway's histogram in the window, ms. */
function boundMs({ before: [before], after: [after] }: Measured, metric: string, q: number): number {
  return quantileBound(before!.buckets(metric), after!.buckets(metric), q) * 1000
}

/** Which promises a run broke. */
export function faults({ run, measured: { received, lost, told } }: Outcome): string[] {
  const { repeated, broken, refused } = received
  const found = {
    'deliveries lost': lost,
    'deliveries told as gaps': told,
    'deliveries repeated': repeated,
    'connections ended by the gateway': broken + refused,
  }
  return Object.entries(found).flatMap(([what, count]) => (count === 0 ? [] : [`${run.name}: ${count} ${what}`]))
}

/** CPU of the gateway, µs an event. */
export function intakeUs(measured: Measured): number {
  return measured.usage.cpu.servers.totalUs / counted(measured, eventsMetric)
}

export function intakeRow({ run, measured }: Outcome): Row {
  const { userUs, systemUs } = measured.usage.cpu.servers
  const events = counted(measured, eventsMetric)
  return {
    'run, events/s': run.name,
    'came/s': Math.round(events / measured.usage.seconds),
    'CPU µs an event': intakeUs(measured),
    user: userUs / events,
    system: systemUs / events,
    ...shares({ run, measured }),
  }
}

/** `intake`: µs an event of the same broker at the same rate without any subscriber; undefined = not to be told apart. */
export function costRow({ run, measured }: Outcome, intake: number | undefined): Row {
  const { seconds, cpu } = measured.usage
  const { totalUs, userUs, systemUs } = cpu.servers
  const delivered = counted(measured, deliveriesMetric)
  const events = counted(measured, eventsMetric)
  return {
    'run, clients': run.name,
    'events/s': Math.round(events / seconds),
    'deliveries/s': Math.round(delivered / seconds),
    'CPU µs a delivery': totalUs / delivered,
    user: userUs / delivered,
    system: systemUs / delivered,
    ...(intake === undefined ? {} : { 'less intake': (totalUs - intake * events) / delivered }),
    ...shares({ run, measured }),
  }
}

export function latencyRow({ run, measured }: Outcome): Row {
  const { received, late, lost, told } = measured
  return {
    'run, clients': run.name,
    'received p50 ms': received.live.quantileUs(0.5) / 1000,
    'p99 ms': received.live.quantileUs(0.99) / 1000,
    'max ms': received.live.maxUs / 1000,
    'written p50 ms ≤': boundMs(measured, writtenMetric, 0.5),
    'written p99 ms ≤': boundMs(measured, writtenMetric, 0.99),
    'late p50 ms': late.quantileUs(0.5) / 1000,
    'late p99 ms': late.quantileUs(0.99) / 1000,
    lost: lost + told,
    repeated: received.repeated,
  }
}

/** Who used the cores, and whether that was the limit: then the figures say more of the load than of the gateway. */
function shares({ run, measured }: Outcome): Row {
  const { seconds, cpu, idle } = measured.usage
  const share = ({ totalUs }: Cpu) => `${Math.round(totalUs / seconds / 1e4)} %`
  return {
    gateway: share(cpu.servers),
    ...(run.transport === undefined ? {} : { clients: share(cpu.clients) }),
    publisher: share(cpu.publisher),
    'host idle': `${Math.round(idle * 100)} %`,
    'limited by': limit(measured),
  }
}

function limit({ usage: { busiest, idle }, late }: Measured): string {
  if (busiest.clients > maxLoadShare) return 'clients'
  if (busiest.publisher > maxLoadShare) return 'publisher'
  if (idle < leastIdle) return 'host'
  return late.quantileUs(0.99) > maxLateMs * 1000 ? 'publisher' : '-'
}
