import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import test from 'node:test'
import { parseListen } from '../../src/base/listen-address.ts'
import { loadConfig } from '../../src/config/load.ts'
import { compose, deployed, gateways, statements } from './files.ts'

const lines = deployed('sysctl/90-carillon.conf').split('\n')
const settings = new Map(
  statements(lines.join('\n')).map((line) => line.split(' = ').map((part) => part.trim()) as [string, string]),
)
const pathOf = (name: string) => `/proc/sys/${name.replace(/^-/, '').replaceAll('.', '/')}`

test('each sysctl is one that this kernel has, but for those that are marked as optional', { skip: skipped() }, () => {
  assert.ok(settings.size >= 8)
  for (const name of settings.keys()) {
    if (!name.startsWith('-')) assert.ok(existsSync(pathOf(name)), name)
  }
})

test('each sysctl has as many numbers as the kernel has for it', { skip: skipped() }, () => {
  for (const [name, value] of settings) {
    if (!existsSync(pathOf(name)) || name.endsWith('reserved_ports')) continue
    const now = readFileSync(pathOf(name), 'utf8').trim().split(/\s+/)
    assert.equal(value.split(' ').length, now.length, name)
    for (const number of value.split(' ')) assert.match(number, /^\d+$/, name)
  }
})

test('a reason stands above each sysctl', () => {
  lines.forEach((line, i) => {
    if (/^-?[a-z]/.test(line)) assert.match(lines[i - 1] ?? '', /^#/, line)
  })
})

test('the descriptors and ports of the host fit to the unit, the compose file and the listeners', () => {
  const unit = /^LimitNOFILE=(\d+)$/m.exec(deployed('systemd/carillon.service'))![1]
  assert.ok(Number(settings.get('fs.nr_open')) >= Number(unit))
  for (const [, { ulimits, sysctls }] of gateways()) {
    assert.ok(Number(settings.get('fs.nr_open')) >= ulimits!.nofile)
    for (const [name, value] of Object.entries(sysctls!)) assert.equal(settings.get(name), String(value), name)
  }
  assert.ok(Object.keys(compose().services).length > 0)
  const { config } = loadConfig({ flags: {}, env: {} })
  const ports = [config.listen, config.admin].map((text) => parseListen(text).port)
  assert.equal(settings.get('net.ipv4.ip_local_reserved_ports'), `${ports[0]}-${ports[1]}`)
})

function skipped(): string | false {
  return existsSync('/proc/sys/net/ipv4') ? false : 'this is no Linux host'
}
