import { fitCpu, type MeasuredLoad } from './fit.ts'
import type { HostFigures } from './host-figures.ts'
import { sessionCost } from './session-cost.ts'

/**
 * MigratoryData's benchmark of 12 million connections on one server (12 cores, 96 GB): each
 * client has its own subject, and gets one message of 512 bytes a minute. As published: clients,
 * messages a second, CPU of the host, mean and largest latency.
 */
export const twelveMillion: readonly MeasuredLoad[] = [
  { clients: 3e6, rate: 50_000, cpuShare: 0.14, meanMs: 5, maxMs: 640 },
  { clients: 6e6, rate: 100_000, cpuShare: 0.24, meanMs: 35, maxMs: 951 },
  { clients: 9e6, rate: 150_000, cpuShare: 0.39, meanMs: 92, maxMs: 1292 },
  { clients: 12e6, rate: 200_000, cpuShare: 0.57, meanMs: 268, maxMs: 2024 },
]
const twelveMillionCores = 12

/**
 * Maximum relative error of the model's CPU for the other rows, fitted to the first two;
 * test/capacity/fit.test.ts verifies it.
 */
export const fitError = 0.12

/** Built-in figures, by the names that `--host` takes. */
export const knownHosts: Readonly<Record<'carillon' | 'migratorydata-12m', HostFigures>> = {
  carillon: {
    source: 'docs/figures.md: Carillon from Kafka on 2 cores, gateway, clients, publisher and broker together',
    cores: 2,
    memoryGiB: 24,
    nicGbps: 10,
    gateway: { cores: 1, descriptors: 1_048_576, processMiB: sessionCost.processBytes / 2 ** 20 },
    cpu: {
      // A line through the two measured points: 29.9 us an event at 5,000 a second, 8.08 at
      // 20,058.
      idleCores: 0.145,
      eventUs: 0.83,
      // Unicast, protobuf over WebSocket, minus intake: 11.0 with 1,000 clients, 11.4 with 5,000,
      // which is no measurable growth.
      deliveryUs: 11.4,
      deliveryUsPerMillionClients: 0,
      connectUs: 113,
    },
    memory: { residentBytes: sessionCost.residentBytes, kernelBytes: sessionCost.kernelBytes },
    latency: { p99Ms: 14, cpuShare: 0.21 },
  },
  'migratorydata-12m': {
    source: "MigratoryData's published benchmark of 12 million clients; its rows of 3 and 6 million, fitted",
    cores: twelveMillionCores,
    memoryGiB: 96,
    nicGbps: 10,
    gateway: { cores: twelveMillionCores, descriptors: 2 ** 31, processMiB: 0 },
    cpu: {
      ...fitCpu(twelveMillion[0]!, twelveMillion[1]!, twelveMillionCores),
      // One published figure covers intake and delivery of a message.
      eventUs: 0,
      // The benchmark shows 30,000 to 40,000 connections a second, besides a load that it does
      // not state: this assumes that they use all cores at most.
      connectUs: (twelveMillionCores / 35_000) * 1e6,
    },
    // 3 KB in the kernel, as published. Resident: the most that nine tenths of 96 GB leave for
    // each of 12 million clients.
    memory: { residentBytes: 4128, kernelBytes: 3072 },
  },
}
