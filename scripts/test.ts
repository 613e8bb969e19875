import { runScript, script } from '../test/command/command.ts'
import { Lanes, type Part, type Stage } from '../test/parts/lanes.ts'
import { failures, skips, timingTable } from '../test/parts/table.ts'

const command = script(
  'test',
  'Run the parts of `make test`, some of them side by side, and print how long each took. Each part is a target of the Makefile and can be run alone.',
).addHelpText('after', '\nExit status: 0 all passed, 1 one failed.')

const part = (name: string): Part => ({ name, command: ['make', '--no-print-directory', name] })
const lane = (...names: string[]) => ({ parts: names.map(part) })

/**
 * The real suites wait for brokers most of the time; unit tests and histories compute, and take what is left. Suites that judge
 * times are last, with nothing else beside them.
 */
const stages: readonly Stage[] = [
  [lane('lint', 'types', 'proto')],
  [lane('real-beside'), { ...lane('unit', 'simulate'), isBackground: true }],
  [lane('real-timed', 'real-alone')],
]

async function main(): Promise<number> {
  const lanes = new Lanes((text) => process.stdout.write(text))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => lanes.stop(signal))
  const started = performance.now()
  const status = await lanes.run(stages)
  const seconds = (performance.now() - started) / 1000
  process.stdout.write(`\n${timingTable(lanes.took, seconds)}\n\n${skips(lanes.took)}${failures(lanes.took)}`)
  return status
}

await runScript(command, main)
