/** One load as it was measured on a gateway with stop-the-world pauses. */
export interface MeasuredLoad {
  readonly clients: number
  /** Messages a second, to all clients. */
  readonly rate: number
  /** Part of the host's CPU time that was used, 0 to 1. */
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
 * The cost of two loads, of which the second is the larger. A straight line through both CPU shares is a third too low at twice the
 * larger load, because what grows is hidden in them: pauses, whose length grows with the clients (live objects) and whose number
 * grows with the messages (garbage), so that their part of the time grows with both, and during which all cores are busy.
 *
 * Latency tells that part apart. A pause is as long as the largest latency, `P(c)`, taken as a line through both loads. A message
 * meets one with probability P/T, where T is from pause to pause, and waits for half of it, so the mean latency is P^2 / 2T; the
 * larger load, where pauses are most of it, gives T, and T goes with 1 / rate. What P/T leaves of the CPU is a straight line.
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

/** Cores' worth that the load takes. */
export function cpuCores(cost: CpuCost, clients: number, rate: number): number {
  const us = cost.deliveryUs + (cost.deliveryUsPerMillionClients * clients) / 1e6
  return cost.idleCores + (rate * us) / usOfSecond
}
