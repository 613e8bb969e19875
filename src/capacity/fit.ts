/** A load, as measured on a gateway with stop-the-world pauses. */
export interface MeasuredLoad {
  readonly clients: number
  /** Messages a second, for all clients together. */
  readonly rate: number
  /** Used share of the host's CPU time, 0 to 1. */
  readonly cpuShare: number
  readonly meanMs: number
  readonly maxMs: number
}

/** CPU of a gateway: `idleCores + rate x (deliveryUs + growth x clients)`. */
export interface CpuCost {
  readonly idleCores: number
  readonly deliveryUs: number
  readonly deliveryUsPerMillionClients: number
}

const usOfSecond = 1e6

/**
 * Fits the CPU cost to two loads, of which the second is the larger. A straight line through both
 * CPU shares is a third too low at twice the larger load, because it hides a growing part: the
 * pauses. Their length grows with the clients (live objects) and their number with the messages
 * (garbage), so their share of the time grows with both, and all cores are busy during a pause.
 *
 * The latencies reveal that share. A pause is as long as the largest latency, `P(c)`, taken as a
 * line through both loads. A message meets one with probability P/T, where T is the time between
 * pauses, and waits for half of it, so the mean latency is P^2 / 2T. The larger load, where
 * pauses dominate, yields T, which is proportional to 1 / rate. The CPU share without P/T is a
 * straight line.
 */
export function fitCpu(small: MeasuredLoad, large: MeasuredLoad, cores: number): CpuCost {
  const growth = (large.maxMs - small.maxMs) / (large.clients - small.clients)
  const pauseMs = (clients: number) => small.maxMs + growth * (clients - small.clients)
  /** Messages from one pause to the next. */
  const messages = ((large.maxMs ** 2 / (2 * large.meanMs)) * large.rate) / 1000
  const pauseShare = ({ clients, rate }: MeasuredLoad) => ((pauseMs(clients) / 1000) * rate) / messages
  const work = (load: MeasuredLoad) => load.cpuShare - pauseShare(load)
  const slope = (work(large) - work(small)) / (large.rate - small.rate)
  return {
    idleCores: cores * Math.max(0, work(small) - slope * small.rate),
    deliveryUs: cores * (slope * usOfSecond + (pauseMs(0) / 1000 / messages) * usOfSecond),
    deliveryUsPerMillionClients: cores * ((growth * 1e6) / 1000 / messages) * usOfSecond,
  }
}

/** Returns the cores that the load uses. */
export function cpuCores(cost: CpuCost, clients: number, rate: number): number {
  const us = cost.deliveryUs + (cost.deliveryUsPerMillionClients * clients) / 1e6
  return cost.idleCores + (rate * us) / usOfSecond
}
