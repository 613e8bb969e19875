import type { Measured } from './delivery.ts'
import type { Row } from './table.ts'

/** From here on the load's single thread has no room left for a fair measurement. */
const maxLoadShare = 0.85
const maxLateMs = 20
/** Below that everybody waits for a core. */
const leastIdle = 0.03

const eventsMetric = 'carillon_events_in_total'
const deliveriesMetric = 'carillon_deliveries_total'
const writtenMetric = 'carillon_publish_to_written_seconds'

/** Which promises a run broke. */
export function faults({ run, received, lost }: Measured): string[] {
  const found: string[] = []
  if (lost !== 0) found.push(`${run.name}: ${lost} deliveries lost, ${received.missing} of them passed over`)
  if (received.repeated > 0) found.push(`${run.name}: ${received.repeated} deliveries repeated`)
  if (received.gone > 0) found.push(`${run.name}: the gateway ended ${received.gone} connections`)
  return found
}

/** CPU of the gateway, µs an event. */
export function intakeUs({ window }: Measured): number {
  return window.gateway.totalUs / window.count(eventsMetric)
}

export function intakeRow(measured: Measured): Row {
  const { run, window } = measured
  const { userUs, systemUs } = window.gateway
  const events = window.count(eventsMetric)
  return {
    'run, events/s': run.name,
    'came/s': Math.round(events / window.seconds),
    'CPU µs an event': intakeUs(measured),
    user: userUs / events,
    system: systemUs / events,
    ...shares(measured),
  }
}

/** `intake`: µs an event of the same broker at the same rate without any subscriber; undefined = not to be told apart. */
export function costRow(measured: Measured, intake: number | undefined): Row {
  const { run, window } = measured
  const { totalUs, userUs, systemUs } = window.gateway
  const delivered = window.count(deliveriesMetric)
  const events = window.count(eventsMetric)
  return {
    'run, clients': run.name,
    'events/s': Math.round(events / window.seconds),
    'deliveries/s': Math.round(delivered / window.seconds),
    'CPU µs a delivery': totalUs / delivered,
    user: userUs / delivered,
    system: systemUs / delivered,
    ...(intake === undefined ? {} : { 'less intake': (totalUs - intake * events) / delivered }),
    ...shares(measured),
  }
}

export function latencyRow({ run, window, received, published, lost }: Measured): Row {
  return {
    'run, clients': run.name,
    'received p50 ms': received.p50Us / 1000,
    'p99 ms': received.p99Us / 1000,
    'max ms': received.maxUs / 1000,
    'written p50 ms ≤': window.quantile(writtenMetric, 0.5) * 1000,
    'written p99 ms ≤': window.quantile(writtenMetric, 0.99) * 1000,
    'late p50 ms': published.lateP50Us / 1000,
    'late p99 ms': published.lateP99Us / 1000,
    lost,
    repeated: received.repeated,
  }
}

/** Who used the cores, and whether that was the limit: then the figures say more of the load than of the gateway. */
function shares(measured: Measured): Row {
  const { run, window } = measured
  const [clients, publisher] = window.childrenUs as [number, number]
  const share = (us: number) => `${Math.round(us / window.seconds / 1e4)} %`
  return {
    gateway: share(window.gateway.totalUs),
    ...(run.transport === undefined ? {} : { clients: share(clients) }),
    publisher: share(publisher),
    'host idle': `${Math.round(window.idle * 100)} %`,
    'limited by': limit(measured),
  }
}

function limit({ window, published }: Measured): string {
  const [clients, publisher] = window.childrenUs.map((us) => us / window.seconds / 1e6)
  if (clients! > maxLoadShare) return 'clients'
  if (publisher! > maxLoadShare) return 'publisher'
  if (window.idle < leastIdle) return 'host'
  return published.lateP99Us > maxLateMs * 1000 ? 'publisher' : '-'
}
