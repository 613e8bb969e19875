import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { exitCodes } from '../../src/cli/exit.ts'
import { loadConfig } from '../../src/config/load.ts'
import { options } from '../../src/config/options.ts'
import { deployed, statements } from './files.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
const unit = deployed('systemd/carillon.service')
const settings = new Map(
  statements(unit)
    .filter((line) => line.includes('='))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
)
const { config } = loadConfig({ flags: {}, env: {} })

/** Why systemd's own tools can't judge here; false where they can. */
function lacking(...probe: string[]): string | false {
  const { status } = spawnSync('systemd-analyze', probe, { stdio: 'ignore' })
  return status === 0 ? false : `systemd-analyze ${probe.join(' ')} does not run here`
}

test('the unit starts a command that there is, with a variable that is an option', () => {
  assert.equal(settings.get('ExecStart'), '/opt/carillon/bin/carillon serve --config /etc/carillon/carillon.yaml')
  const [name, value] = settings.get('Environment')!.split('=')
  const option = options.find(({ variable }) => variable === name)
  assert.equal(option?.path, 'logFormat')
  loadConfig({ flags: {}, env: { [name!]: value } })
})

test('the unit gives a gateway the time to drain and a descriptor for each session', () => {
  assert.ok(Number(settings.get('TimeoutStopSec')) * 1000 >= config.drainMs + 5000)
  assert.ok(Number(settings.get('LimitNOFILE')) >= config.limits.maxSessions + 1000)
  assert.equal(settings.get('KillSignal'), 'SIGTERM')
})

test('the unit is started again after a fault, and not after a mistake in its configuration', () => {
  assert.equal(settings.get('Restart'), 'always')
  assert.equal(Number(settings.get('RestartPreventExitStatus')), exitCodes.usage)
})

test('systemd accepts the unit', { skip: lacking('--version') }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-unit-'))
  try {
    const file = join(folder, 'carillon.service')
    writeFileSync(file, unit.replaceAll('/opt/carillon', checkout))
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' })
    assert.deepEqual([status, stderr.trim()], [0, ''])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const security = [
  'security',
  '--offline=true',
  fileURLToPath(new URL('deploy/systemd/carillon.service', `file://${checkout}/`)),
]

test('systemd finds little that the unit leaves open', { skip: lacking(...security) }, () => {
  // Tenths; what is left is the network, which a gateway is for, and memory that V8 writes and runs.
  const { status, stdout } = spawnSync('systemd-analyze', [...security, '--threshold=20'], { encoding: 'utf8' })
  assert.equal(status, 0, stdout.split('\n').at(-2))
})
