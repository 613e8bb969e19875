import assert from 'node:assert/strict'
import test from 'node:test'
import { readHostFacts } from '../../src/doctor/host-facts.ts'
import { thisHost } from '../../src/doctor/this-host.ts'
import { hostOf } from './facts.ts'

test('kernel settings are read by name, and those that are not visible are absent', () => {
  const { sysctls, openFiles, memory, cards } = readHostFacts(
    hostOf({
      '/proc/sys/net/ipv4/tcp_wmem': '4096\t16384\t4194304\n',
      '/proc/sys/fs/file-max': '9223372036854775807\n',
      '/proc/self/limits':
        'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 unlimited            files\n',
      '/proc/meminfo': 'MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:   500 kB\n',
    }),
  )
  assert.deepEqual(sysctls.get('net.ipv4.tcp_wmem'), [4096, 16_384, 4_194_304])
  assert.equal(sysctls.get('fs.file-max')![0]! > 9e18, true)
  assert.equal(sysctls.has('net.ipv4.tcp_mem'), false)
  assert.deepEqual(openFiles, { soft: 1024, hard: Number.POSITIVE_INFINITY })
  assert.deepEqual(memory, { totalBytes: 1_024_000, availableBytes: 512_000 })
  assert.deepEqual(cards, [])
})

test('cards are those with a device, with their receive queues and whether the kernel spreads them', () => {
  const { cards } = readHostFacts(
    hostOf({
      '/sys/class/net/eth0/device': '',
      '/sys/class/net/eth0/queues/rx-0/rps_cpus': '00000000,00000000\n',
      '/sys/class/net/eth0/queues/tx-0/xps_cpus': 'ff\n',
      '/sys/class/net/eth1/device': '',
      '/sys/class/net/eth1/queues/rx-0/rps_cpus': '3\n',
      '/sys/class/net/eth1/queues/rx-1/rps_cpus': '0\n',
      '/sys/class/net/lo/queues/rx-0/rps_cpus': '0\n',
    }),
  )
  assert.deepEqual(cards, [
    { name: 'eth0', receiveQueues: 1, spread: false },
    { name: 'eth1', receiveQueues: 2, spread: true },
  ])
})

test('with cgroups of version 2 the tightest bound of the hierarchy counts', () => {
  const { cgroup } = readHostFacts(
    hostOf({
      '/proc/self/cgroup': '0::/system.slice/carillon.service\n',
      '/sys/fs/cgroup/cgroup.controllers': 'cpu memory pids\n',
      '/sys/fs/cgroup/system.slice/carillon.service/memory.max': '4294967296\n',
      '/sys/fs/cgroup/system.slice/memory.max': '1073741824\n',
      '/sys/fs/cgroup/memory.max': '2147483648\n',
      '/sys/fs/cgroup/system.slice/carillon.service/cpu.max': '150000 100000\n',
      '/sys/fs/cgroup/system.slice/cpu.max': 'max 100000\n',
      '/sys/fs/cgroup/system.slice/carillon.service/pids.max': '100\n',
      '/sys/fs/cgroup/system.slice/carillon.service/pids.current': '11\n',
    }),
  )
  assert.deepEqual(cgroup, { version: 2, memoryBytes: 1_073_741_824, cpus: 1.5, pids: 100, pidsNow: 11 })
})

test('with cgroups of version 1 bounds at the root count too, because a container mounts its own there', () => {
  const { cgroup } = readHostFacts(
    hostOf({
      '/proc/self/cgroup': '4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n8:pids:/docker/abc\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '536870912\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '200000\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
      '/sys/fs/cgroup/pids/pids.max': 'max\n',
      '/sys/fs/cgroup/pids/pids.current': '3\n',
    }),
  )
  assert.deepEqual(cgroup, { version: 1, memoryBytes: 536_870_912, cpus: 2, pids: undefined, pidsNow: 3 })
})

test('the largest number of version 1 is not a bound, and neither is a quota of -1', () => {
  const { cgroup } = readHostFacts(
    hostOf({
      '/proc/self/cgroup': '4:memory:/\n2:cpu:/\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
    }),
  )
  assert.deepEqual([cgroup.version, cgroup.memoryBytes, cgroup.cpus], [1, undefined, undefined])
  assert.equal(readHostFacts(hostOf({})).cgroup.version, 0)
})

test('clock synchronization is read from chrony, then systemd, then its stamp; without any it is unknown', () => {
  const tracking =
    'Reference ID    : A9FEA97B\nSystem time     : 0.000012345 seconds slow of NTP time\nLeap status     : Normal\n'
  const chrony = { 'chronyc -n tracking': tracking }
  const timedatectl = { 'timedatectl show --property=NTPSynchronized --value': 'no\n' }
  const clock = (files: Record<string, string>, programs: Record<string, string>) =>
    readHostFacts(hostOf(files, programs)).clock
  const { offsetMs, ...rest } = clock({}, { ...timedatectl, ...chrony })
  assert.deepEqual(rest, { synchronized: true, by: 'chronyc tracking' })
  assert.equal(offsetMs!.toFixed(4), '0.0123')
  assert.equal(clock({}, { 'chronyc -n tracking': tracking.replace('Normal', 'Not synchronised') }).synchronized, false)
  assert.deepEqual(clock({}, timedatectl), { synchronized: false, by: 'timedatectl' })
  assert.equal(clock({ '/run/systemd/timesync/synchronized': '' }, {}).synchronized, true)
  assert.deepEqual(clock({}, {}), { synchronized: undefined, by: '' })
})

test('this host can be read', () => {
  const { cpus, runtime } = readHostFacts(thisHost())
  assert.ok(cpus >= 1)
  assert.equal(runtime.nodeVersion, process.versions.node)
  assert.ok(runtime.heapLimitBytes > 1e8)
  assert.ok((thisHost().fileSystem('/no/such/directory')?.freeBytes ?? -1) >= 0)
})
