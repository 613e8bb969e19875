import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import fc from 'fast-check'
import { duration } from '../../src/base/numbers.ts'
import { type HostFigures, readHostFigures } from '../../src/capacity/host-figures.ts'
import { knownHosts } from '../../src/capacity/known-hosts.ts'
import { ceilings, type Resource } from '../../src/capacity/model.ts'
import { makePlan, type PlanRequest, planDefaults } from '../../src/capacity/plan.ts'
import { wireBytes } from '../../src/capacity/wire-bytes.ts'

const base: PlanRequest = { clients: 60e6, ratePerClient: 1 / 60, payloadBytes: 512, p99Ms: 500, ...planDefaults }
const theirs = knownHosts['migratorydata-12m']
const ours: HostFigures = { ...knownHosts.carillon, cores: 32, memoryGiB: 128 }

test('for 60 million users on hosts of the 12-million benchmark the plan has the 7 or 8 servers of its authors', () => {
  const { hosts, binds } = makePlan(base, theirs)
  assert.deepEqual([hosts + 1, binds.resource], [7, 'cpu'])
  const two = makePlan({ ...base, spares: 2 }, theirs)
  assert.equal(two.hosts + two.spares, 8)
})

test('one such host is planned for ten million clients, and not for twelve', () => {
  assert.equal(makePlan({ ...base, clients: 12e6 }, theirs).hosts, 2)
  assert.equal(makePlan({ ...base, clients: 10e6 }, theirs).hosts, 1)
})

test('no host exceeds a ceiling without the spares, and with them each uses less', () => {
  const figures = fc.constantFrom<HostFigures>(
    ours,
    theirs,
    knownHosts.carillon,
    { ...ours, nicGbps: 0.1 },
    { ...ours, memoryGiB: 4 },
  )
  const request = fc.record({
    clients: fc.integer({ min: 1000, max: 100_000_000 }),
    ratePerClient: fc.double({ min: 1e-4, max: 0.2, noNaN: true }),
    payloadBytes: fc.integer({ min: 0, max: 4096 }),
  })
  fc.assert(
    fc.property(figures, request, (host, change) => {
      const { used, usedByAll, hosts, binds, lines } = makePlan({ ...base, ...change }, host)
      for (const resource of Object.keys(ceilings) as Resource[]) {
        assert.ok(used[resource] <= ceilings[resource] * (1 + 1e-9), resource)
        assert.ok(usedByAll[resource] <= used[resource] + 1e-9)
      }
      assert.ok(binds.share <= 1 && hosts >= 1 && lines.every(({ result }) => !/NaN|Infinity/.test(result)))
    }),
    {
      numRuns: 60,
      examples: [
        [
          { ...ours, nicGbps: 0.1 },
          { clients: 85_278_049, ratePerClient: 0.1884, payloadBytes: 2109 },
        ],
      ],
    },
  )
})

test('more clients never need fewer hosts', () => {
  const hosts = [1e5, 1e6, 3e6, 1e7, 3e7, 1e8].map((clients) => makePlan({ ...base, clients }, ours).hosts)
  assert.deepEqual(
    hosts,
    hosts.toSorted((a, b) => a - b),
  )
})

test('the binding resource is the scarce one', () => {
  const binds = (request: Partial<PlanRequest>, figures: Partial<HostFigures>) =>
    makePlan({ ...base, ...request }, { ...ours, ...figures }).binds.resource
  assert.equal(binds({ clients: 1e6, ratePerClient: 1 / 3600 }, { memoryGiB: 4 }), 'memory')
  assert.equal(binds({ clients: 1e6, ratePerClient: 0.3 }, {}), 'cpu')
  assert.equal(binds({ clients: 1e5, ratePerClient: 1, payloadBytes: 16_000 }, { nicGbps: 1 }), 'network')
  assert.equal(
    binds({ clients: 1e6, ratePerClient: 1 / 3600 }, { gateway: { ...ours.gateway, descriptors: 20_000 } }),
    'descriptors',
  )
})

test('more events than a gateway can take in are divided into slices, with a note', () => {
  const few = makePlan({ ...base, clients: 1e6 }, ours)
  const many = makePlan(base, ours)
  assert.equal(few.slices, 1)
  assert.ok(many.slices > 1 && many.partitions % many.slices === 0)
  assert.ok(many.hosts * many.gatewaysPerHost >= 2 * many.slices, 'each slice has two gateways')
  assert.match(many.notes.join('\n'), /divide the subjects into \d+ slices/)
  const shared = makePlan({ ...base, fanOut: 1000 }, ours)
  assert.equal(shared.slices, 1)
})

test('if descriptors bind, a note says to raise their limit before adding hosts', () => {
  const few = { ...ours, gateway: { ...ours.gateway, descriptors: 20_000 } }
  const notes = (figures: HostFigures) => makePlan({ ...base, clients: 1e6 }, figures).notes.join('\n')
  assert.match(notes(few), /20,000 descriptors: raise that limit before you add hosts \(LimitNOFILE=1048576\)/)
  assert.doesNotMatch(notes(ours), /raise that limit/)
})

test('the intake of all gateways of a host counts for the network if it exceeds the output', () => {
  const { used, network, gatewaysPerHost, slices } = makePlan(
    { ...base, clients: 1e5, ratePerClient: 1, payloadBytes: 4096 },
    ours,
  )
  assert.ok(network.in > network.out)
  assert.equal(network.in, (gatewaysPerHost * 1e5 * wireBytes(4096).record) / slices)
  assert.equal(used.network, (network.in * 8) / (ours.nicGbps * 1e9))
})

test('a gateway has one memory for the windows of all partitions, which holds the sum of their records', () => {
  const few = makePlan({ ...base, clients: 1e5, ratePerClient: 0.01 }, ours)
  const many = makePlan({ ...base, clients: 1e5, ratePerClient: 0.1, payloadBytes: 16_000 }, ours)
  assert.deepEqual([few.partitions, many.partitions], [4, 17])
  for (const { memory, gatewaysPerHost, slices, lines, broker } of [few, many]) {
    assert.equal(memory.gateways / gatewaysPerHost / 2 ** 20, ours.gateway.processMiB + 512 + 512 + 64)
    const { arithmetic, result } = lines.find(({ what }) => what === 'the windows hold')!
    assert.match(arithmetic, /^512 MiB \/ /)
    const seconds = (512 * 2 ** 20 * slices * base.replication) / broker.writtenBytesPerSecond
    assert.equal(result, duration(seconds * 1000))
  }
})

test('a plan whose partitions need more than the default windows says what to configure', () => {
  const fast = { ...ours, nicGbps: 400, cpu: { ...ours.cpu, eventUs: 0.1 } }
  const { windows, settings, partitions, slices } = makePlan(
    { ...base, clients: 1e6, ratePerClient: 0.4, payloadBytes: 16_000 },
    fast,
  )
  assert.ok(partitions / slices > 256, `${partitions / slices}`)
  assert.equal(windows.windowMiB, (2 * partitions) / slices)
  assert.ok(
    settings.some((each) => each.startsWith(`window.windowMiB: ${windows.windowMiB} `)),
    settings.join(),
  )
  assert.ok(!makePlan(base, ours).settings.some((each) => each.startsWith('window.')))
})

test('latency is not predicted, and notes say what the figures do not show', () => {
  const notes = (p99Ms: number, figures: HostFigures) =>
    makePlan({ ...base, clients: 1e6, p99Ms }, figures).notes.join('\n')
  assert.match(notes(500, ours), /Latency is not predicted/)
  assert.match(notes(5, ours), /do not support a 99th percentile of 5 ms: they were measured at 14 ms/)
  assert.match(notes(500, theirs), /do not include the 99th percentile/)
})

test('the broker writes each copy and is read by each gateway', () => {
  const { broker, hosts, spares, gatewaysPerHost, slices } = makePlan({ ...base, clients: 1e6 }, ours)
  const { record } = wireBytes(512)
  const written = (1e6 / 60) * record
  assert.equal(broker.writtenBytesPerSecond, written * 3)
  assert.equal(broker.readBytesPerSecond, ((hosts + spares) * gatewaysPerHost * written) / slices)
  assert.ok(Math.abs(broker.diskBytes - written * 3 * 86_400) < 1)
})

test('a delivery on the wire has the headers of each segment, and the WebSocket header of its length', () => {
  const { frame, onWire } = wireBytes(512)
  assert.equal(onWire, frame + 4 + 90)
  const large = wireBytes(3000)
  assert.equal(large.onWire, large.frame + 4 + 3 * 90)
  assert.equal(wireBytes(70_000).onWire - wireBytes(70_000).frame, 10 + 49 * 90)
})

test('a rate that even one client could not get is refused', () => {
  assert.throws(() => makePlan({ ...base, clients: 1000, ratePerClient: 1e6 }, ours), {
    code: 'bad_request',
    message: /^no number of such hosts/,
  })
})

test('a file of figures is read as written, and missing figures are named', () => {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-plan-'))
  const file = join(folder, 'host.json')
  const write = (value: unknown) => writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value))
  try {
    for (const figures of Object.values(knownHosts)) {
      write(figures)
      assert.deepEqual(readHostFigures(file), figures)
    }
    for (const [value, said] of [
      ['{', /expected a readable JSON file/],
      [[1], /expected a mapping/],
      [{ ...ours, source: '' }, /source: expected a string, got ""/],
      [{ ...ours, cores: 0 }, /cores: expected a number of at least 1, got 0/],
      [{ ...ours, cpu: undefined }, /cpu: expected a mapping with idleCores, .*, got nothing/],
      [{ ...ours, memory: { residentBytes: 1 } }, /memory\.kernelBytes: expected a number of at least 0, got nothing/],
      [{ ...ours, latency: {} }, /latency\.p99Ms/],
    ] as const) {
      write(value)
      assert.throws(() => readHostFigures(file), { code: 'bad_request', message: said })
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})
