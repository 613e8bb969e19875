import { fitCpu, type MeasuredLoad } from './fit.ts'
import type { HostFigures } from './host-figures.ts'
import { sessionCost } from './session-cost.ts'

/**
 * MigratoryData's benchmark of 12 million connections on one server (12 cores, 96 GB): each client has a subject of its own and gets one
 * message of 512 bytes a minute. As they published it: clients, messages a second, CPU of the host, mean and largest latency.
 */
export const twelveMillion: readonly MeasuredLoad[] = [
  { clients: 3e6, rate: 50_000, cpuShare: 0.14, meanMs: 5, maxMs: 640 },
  { clients: 6e6, rate: 100_000, cpuShare: 0.24, meanMs: 35, maxMs: 951 },
  { clients: 9e6, rate: 150_000, cpuShare: 0.39, meanMs: 92, maxMs: 1292 },
  { clients: 12e6, rate: 200_000, cpuShare: 0.57, meanMs: 268, maxMs: 2024 },
]
const twelveMillionCores = 12

/** By how much the model, fitted to the first two rows, misses the CPU of the others at most; test/capacity/fit.test.ts holds it. */
export const fitError = 0.12

/** Figures that need no file, by the name that `--host` takes. */
export const knownHosts: Readonly<Record<'carillon' | 'migratorydata-12m', HostFigures>> = {
  carillon: {
    source: 'docs/figures.md: Carillon from Kafka on 2 cores, gateway, clients, publisher and broker together',
    cores: 2,
    memoryGiB: 24,
    nicGbps: 10,
    gateway: { cores: 1, descriptors: 1_048_576, processMiB: sessionCost.processBytes / 2 ** 20 },
    cpu: {
      // Through the two points that are there: 29.9 us an event at 5,000 a second, 8.08 at 20,058.
      idleCores: 0.145,
      eventUs: 0.83,
      // Unicast, protobuf over WebSocket, less intake: 11.0 with 1,000 clients, 11.4 with 5,000, which is no growth that was measured.
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
      // A message is taken in and given out in one figure there.
      eventUs: 0,
      // 30,000 to 40,000 connects a second were shown, with a load beside them that was not: all of its cores at most.
      connectUs: (twelveMillionCores / 35_000) * 1e6,
    },
    // 3 KB in the kernel as published; resident at most what nine tenths of 96 GB leave to each of 12 million clients.
    memory: { residentBytes: 4128, kernelBytes: 3072 },
  },
}
