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

/** Loads a gateway of its own, on an embedded log or on the broker that the command line names, and writes the figures that come of it. */
export async function measure(loaded: Loaded, { clients, p99, out, json }: MeasureFlags): Promise<void> {
  const p99Ms = millisecondsOf('--p99', p99)
  const own = loadedForMeasuring(loaded)
  const measured = await measureHost({
    clients,
    p99Ms,
    host: hostSizeOf(readHostFacts(thisHost())),
    target: () => targetFrom('unicast', { transport: 'ws', calibrate: false }, own),
    step: (text) => void process.stderr.write(`-- ${text}\n`),
  })
  if (measured === undefined) {
    console.error('carillon: interrupted before all was measured; nothing was written')
    process.exitCode = exitCodes.interrupted
    return
  }
  write(out, measured.figures)
  console.log(json ? JSON.stringify(measured) : measuredText(measured, p99Ms, out))
}

/** The broker counts only where the command line names it: nobody's topics are written to by the way. */
export function loadedForMeasuring({ config, origins }: Loaded): Loaded {
  const own = loadConfig({ flags: {}, env: {} })
  if (origins.get('broker') !== 'flag --broker') return own
  const { broker, kafka, nats } = config
  const kept = [...origins].filter(
    ([path]) => path === 'broker' || path.startsWith('kafka.') || path.startsWith('nats.'),
  )
  return { config: { ...own.config, broker, kafka, nats }, origins: new Map(kept) }
}

function measuredText({ figures, headline, limits, clients }: MeasuredHost, p99Ms: number, out: string): string {
  const { connectionsPerGiB, deliveriesPerCore } = headline
  const { cpu, memory } = figures
  const most = deliveriesPerCore === undefined ? 'none was found' : `${grouped(deliveriesPerCore)} a second`
  return [
    `connections in a GiB: ${grouped(connectionsPerGiB)} (${grouped(memory.residentBytes)} bytes in the gateway + ${grouped(memory.kernelBytes)} in the kernel)`,
    `deliveries for each core that they take, p99 within ${p99Ms} ms: ${most}`,
    `CPU: ${cpu.deliveryUs} us a delivery, ${cpu.eventUs} us an event, ${cpu.connectUs} us to connect a client, ${cpu.idleCores} cores at idle; ${grouped(clients)} clients`,
    ...limits.map((limit) => `limited by the load, not the gateway: ${limit}`),
    `written to ${out}: carillon plan --host ${out}`,
  ].join('\n')
}

/** All of it or nothing. */
function write(file: string, figures: HostFigures): void {
  const part = `${file}.part`
  try {
    writeFileSync(part, `${JSON.stringify(figures, null, 2)}\n`)
    renameSync(part, file)
  } catch (error) {
    throw new CarillonError(
      'bad_request',
      `--out ${file}: expected a file that can be written: ${(error as Error).message}`,
    )
  }
}
