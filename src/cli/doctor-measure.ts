import { renameSync, writeFileSync } from 'node:fs'
import { CarillonError } from '../base/errors.ts'
import { grouped } from '../base/numbers.ts'
import type { HostFigures } from '../capacity/host-figures.ts'
import { type MeasuredHost, measureHost } from '../capacity/measure.ts'
import { type Loaded, loadConfig } from '../config/load.ts'
import { readHostFacts } from '../doctor/host-facts.ts'
import { hostSizeOf } from '../doctor/host-size.ts'
import { thisHost } from '../doctor/this-host.ts'
import { millisecondsOf } from './amounts.ts'
import { targetFrom } from './bench-options.ts'
import { exitCodes } from './exit.ts'

export interface MeasureFlags {
  readonly clients: number
  readonly p99: string
  readonly out: string
  readonly json?: boolean
}

/**
 * Puts a load on a gateway started for that, on an embedded log or on the broker of the command
 * line, and writes the measured figures.
 */
export async function measure(loaded: Loaded, { clients, p99, out, json }: MeasureFlags): Promise<void> {
  const p99Ms = millisecondsOf('--p99', p99)
  const configuration = loadedForMeasuring(loaded)
  const measured = await measureHost({
    clients,
    p99Ms,
    host: hostSizeOf(readHostFacts(thisHost())),
    target: () => targetFrom('unicast', { transport: 'ws', calibrate: false }, configuration),
    step: (text) => void process.stderr.write(`-- ${text}\n`),
  })
  if (measured === undefined) {
    console.error('carillon: interrupted before the measurement was complete; nothing was written')
    process.exitCode = exitCodes.interrupted
    return
  }
  write(out, measured.figures)
  console.log(json ? JSON.stringify(measured) : measuredText(measured, p99Ms, out))
}

/**
 * Returns the configuration for the measurement. It uses a broker only if the command line names
 * it, so that no existing topics are written to unintentionally.
 */
export function loadedForMeasuring({ config, origins }: Loaded): Loaded {
  const defaults = loadConfig({ flags: {}, env: {} })
  if (origins.get('broker') !== 'flag --broker') return defaults
  const { broker, kafka, nats } = config
  const kept = [...origins].filter(
    ([path]) => path === 'broker' || path.startsWith('kafka.') || path.startsWith('nats.'),
  )
  return { config: { ...defaults.config, broker, kafka, nats }, origins: new Map(kept) }
}

function measuredText({ figures, headline, limits, clients }: MeasuredHost, p99Ms: number, out: string): string {
  const { connectionsPerGiB, deliveriesPerCore } = headline
  const { cpu, memory } = figures
  const most = deliveriesPerCore === undefined ? 'none was found' : `${grouped(deliveriesPerCore)} a second`
  return [
    `connections in a GiB: ${grouped(connectionsPerGiB)} (${grouped(memory.residentBytes)} bytes in the gateway + ${grouped(memory.kernelBytes)} in the kernel)`,
    `deliveries per core used, p99 within ${p99Ms} ms: ${most}`,
    `CPU: ${cpu.deliveryUs} us per delivery, ${cpu.eventUs} us per event, ${cpu.connectUs} us per connecting client, ${cpu.idleCores} cores when idle; ${grouped(clients)} clients`,
    ...limits.map((limit) => `limited by the load, not the gateway: ${limit}`),
    `written to ${out}: carillon plan --host ${out}`,
  ].join('\n')
}

/** Writes a file completely or not at all. */
function write(file: string, figures: HostFigures): void {
  const part = `${file}.part`
  try {
    writeFileSync(part, `${JSON.stringify(figures, null, 2)}\n`)
    renameSync(part, file)
  } catch (error) {
    throw new CarillonError('bad_request', `--out ${file}: expected a writable file: ${(error as Error).message}`)
  }
}
