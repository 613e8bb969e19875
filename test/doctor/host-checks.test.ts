import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { type Finding, gravest } from '../../src/doctor/finding.ts'
import { hostChecks } from '../../src/doctor/host-checks.ts'
import type { HostFacts } from '../../src/doctor/host-facts.ts'
import { factsWith } from './facts.ts'

const gib = 2 ** 30
const limits = { maxSessions: 4e6, maxTotalSubscriptions: 4e6, maxTotalSessionMiB: 20_000 }
const load = { clients: 10_000, windows: { windowMiB: 256, indexMiB: 192, cacheMiB: 64 }, limits }

function check(name: string, facts: HostFacts, change: Partial<typeof load> = {}): Finding {
  const found = hostChecks(facts, { ...load, ...change }).filter((each) => each.check === name)
  assert.equal(found.length, 1, name)
  return found[0]!
}

const sysctl = (name: string, values: readonly number[] | undefined, change: Partial<typeof load> = {}) =>
  check(name, factsWith({}, { [name]: values }), change)

test('a host that is set up well passes every check, without a fix', () => {
  const findings = hostChecks(factsWith(), load)
  assert.deepEqual(
    findings.filter(({ level }) => level !== 'pass'),
    [],
  )
  assert.ok(findings.every(({ fix, figure, reason }) => fix === '' && figure !== '' && reason !== ''))
  assert.equal(new Set(findings.map((each) => each.check)).size, findings.length)
})

test('the needed descriptors are those of the clients and a thousand more', () => {
  assert.equal(check('open files', factsWith(), { clients: 19_000 }).level, 'pass')
  const { level, figure, fix } = check('open files', factsWith(), { clients: 19_001 })
  assert.equal(level, 'fail')
  assert.match(figure, /^20,000 /)
  assert.match(fix, /LimitNOFILE=24576 .*nofile=24576/)
  assert.equal(check('fs.nr_open', factsWith(), { clients: 1_100_000 }).level, 'fail')
  assert.equal(sysctl('fs.file-max', [13_000]).level, 'fail')
  assert.equal(sysctl('fs.file-max', [20_000]).level, 'warn')
  assert.match(sysctl('fs.file-max', [9e18]).figure, /^unlimited/)
})

test('the limits of the network are judged, each with the line that fixes it', () => {
  for (const [name, values, level, figure] of [
    ['net.ipv4.tcp_notsent_lowat', [4_294_967_295], 'warn', 'unlimited'],
    ['net.ipv4.tcp_notsent_lowat', [131_072], 'pass', '128 KiB'],
    ['net.ipv4.tcp_notsent_lowat', [131_073], 'warn', '128 KiB'],
    ['net.core.somaxconn', [128], 'fail', '128'],
    ['net.core.somaxconn', [512], 'pass', '512'],
    ['net.ipv4.ip_local_port_range', [60_000, 60_100], 'fail', '60000 to 60100: 101 ports'],
    ['net.ipv4.ip_local_port_range', [32_768, 40_000], 'warn', '32768 to 40000: 7,233 ports'],
    ['net.ipv4.tcp_wmem', [4096, 16_384, 4_194_304], 'warn', '4096 16384 4194304'],
    ['net.ipv4.tcp_wmem', [4096, 131_072, 1_048_576], 'warn', '4096 131072 1048576'],
    ['net.ipv4.tcp_rmem', [4096, 16_384, 65_536], 'warn', '4096 16384 65536'],
    ['net.ipv4.tcp_mem', [1000, 2000, 3000], 'warn', 'pressure at 7.8 MiB, maximum 12 MiB'],
    ['net.netfilter.nf_conntrack_max', [10_099], 'fail', '10,099, 100 in use'],
    ['net.netfilter.nf_conntrack_max', [20_199], 'warn', '20,199, 100 in use'],
    ['net.netfilter.nf_conntrack_max', [20_200], 'pass', '20,200, 100 in use'],
  ] as const) {
    const found = sysctl(name, values)
    assert.deepEqual([found.level, found.figure], [level, figure], `${name} ${values}`)
    if (level !== 'pass') assert.match(found.fix, new RegExp(`^sysctl -w '?${name.replaceAll('.', '\\.')}=`))
  }
})

test('the syn backlog matters where SYN cookies are off', () => {
  const name = 'net.ipv4.tcp_max_syn_backlog'
  assert.equal(check(name, factsWith({}, { [name]: [128] })).level, 'pass')
  const off = factsWith({}, { [name]: [128], 'net.ipv4.tcp_syncookies': [0] })
  assert.deepEqual([check(name, off).level, check(name, off).figure], ['warn', '128, SYN cookies off'])
})

test('a value that a container does not show is unknown, with the reason and where to look', () => {
  for (const name of [
    'net.ipv4.tcp_mem',
    'net.ipv4.tcp_notsent_lowat',
    'net.netfilter.nf_conntrack_max',
    'fs.file-max',
  ]) {
    const { level, reason, fix } = sysctl(name, undefined)
    assert.equal(level, 'unknown')
    assert.match(reason, /container/)
    assert.match(fix, /on the host itself$/)
  }
  const bare = factsWith({
    openFiles: undefined,
    cards: [],
    memory: undefined,
    clock: { synchronized: undefined, by: '' },
  })
  for (const name of ['open files', 'network queues', 'memory', 'clock'])
    assert.equal(check(name, bare).level, 'unknown', name)
  const none = { version: 0, memoryBytes: undefined, cpus: undefined, pids: undefined, pidsNow: undefined } as const
  for (const name of ['cgroup memory', 'cgroup cpu', 'cgroup pids']) {
    assert.equal(check(name, factsWith({ cgroup: none })).level, 'unknown', name)
  }
})

test('a card with one queue is a finding if there are several CPUs and nothing spreads its load', () => {
  const card = { name: 'eth0', receiveQueues: 1, spread: false }
  const { level, fix } = check('network queues', factsWith({ cards: [card] }))
  assert.equal(level, 'warn')
  assert.match(fix, /^ethtool -L eth0 combined 4; .*echo f > \/sys\/class\/net\/eth0\/queues\/rx-0\/rps_cpus$/)
  assert.equal(check('network queues', factsWith({ cards: [{ ...card, spread: true }] })).level, 'pass')
  assert.equal(check('network queues', factsWith({ cards: [card], cpus: 1 })).level, 'pass')
})

test('limits of the cgroup are compared with the needs of a full gateway', () => {
  const limits = factsWith().cgroup
  const memory = (bytes: number) => check('cgroup memory', factsWith({ cgroup: { ...limits, memoryBytes: bytes } }))
  assert.equal(memory(0.5 * gib).level, 'fail')
  assert.equal(memory(0.75 * gib).level, 'warn')
  assert.equal(memory(2 * gib).level, 'pass')
  assert.match(
    memory(0.5 * gib).reason,
    /process 130 MiB \+ windows 512 MiB \(256 MiB payloads \+ 192 MiB index \+ 64 MiB read back\) \+ 10,000 clients x 8\.5 KiB/,
  )
  const cpu = (cpus: number) => check('cgroup cpu', factsWith({ cgroup: { ...limits, cpus } })).level
  assert.deepEqual([cpu(0.5), cpu(1), cpu(2)], ['fail', 'warn', 'pass'])
  const pids = (most: number) =>
    check('cgroup pids', factsWith({ cgroup: { ...limits, pids: most, pidsNow: 10 } })).level
  assert.deepEqual([pids(73), pids(74)], ['fail', 'pass'])
})

test('each session limit below the number of clients is named, with the value that admits all', () => {
  const lacking = (change: Partial<typeof limits>, clients = 200_000) =>
    check('session limits', factsWith(), { clients, limits: { ...limits, ...change } })
  assert.equal(lacking({}).level, 'pass')
  assert.match(lacking({ maxSessions: 199_999 }).fix, /^limits\.maxSessions: 200000$/)
  assert.match(lacking({ maxTotalSubscriptions: 199_999 }).fix, /^limits\.maxTotalSubscriptions: 200000$/)
  const { level, figure, fix } = lacking({ maxTotalSessionMiB: 512 })
  assert.equal(level, 'fail')
  assert.match(figure, /^109,\d{3} sessions/)
  assert.equal(fix, 'limits.maxTotalSessionMiB: 1536')
  assert.equal(lacking({ maxTotalSessionMiB: 1536 }).level, 'pass')
})

test('memory, heap, Node and clock are compared with the requirements', () => {
  assert.equal(check('memory', factsWith({ memory: { totalBytes: gib, availableBytes: gib / 2 } })).level, 'warn')
  assert.equal(check('memory', factsWith(), { clients: 2_000_000 }).level, 'fail')
  assert.equal(check('heap', factsWith(), { clients: 1_000_000 }).level, 'pass')
  assert.equal(check('heap', factsWith(), { clients: 1_100_000 }).level, 'warn')
  const { level, fix } = check('heap', factsWith(), { clients: 2_000_000 })
  assert.equal(level, 'fail')
  assert.match(fix, /^CARILLON_NODE_OPTIONS=--max-old-space-size=\d+$/)
  const runtime = (change: Partial<HostFacts['runtime']>) =>
    check('node', factsWith({ runtime: { ...factsWith().runtime, ...change } }))
  assert.equal(runtime({ nodeVersion: '24.1.0' }).level, 'fail')
  assert.equal(runtime({ flags: ['--max-semi-space-size=64'] }).level, 'warn')
  const own = readFileSync(new URL('../../bin/carillon', import.meta.url), 'utf8').match(/ --[a-z][^ ]*/g)!
  const flags = own.map((flag) => flag.trim())
  assert.deepEqual([flags.length, runtime({ flags }).level], [2, 'pass'])
  assert.equal(runtime({ flags: ['--inspect=0'] }).level, 'warn')
  const clock = (change: Partial<HostFacts['clock']>) =>
    check('clock', factsWith({ clock: { ...factsWith().clock, ...change } })).level
  assert.deepEqual([clock({ synchronized: false }), clock({ offsetMs: 80 })], ['warn', 'warn'])
})

test('the worst of all findings is a failure before a warning, and unknown is not a failure', () => {
  const at = (level: Finding['level']): Finding => ({ check: 'a', level, figure: '', reason: '', fix: '' })
  assert.equal(gravest([]), 'pass')
  assert.equal(gravest([at('pass'), at('unknown')]), 'unknown')
  assert.equal(gravest([at('warn'), at('unknown'), at('pass')]), 'warn')
  assert.equal(gravest([at('warn'), at('fail'), at('pass')]), 'fail')
})
