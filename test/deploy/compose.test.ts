import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import test from 'node:test'
import { parse } from 'yaml'
import { parseListen } from '../../src/base/listen-address.ts'
import { defaultAdmin, defaultGateway } from '../../src/cli/gateway-url.ts'
import { loadConfig } from '../../src/config/load.ts'
import { traceExport } from '../../src/telemetry/trace-options.ts'
import { jaegerVersion } from '../brokers/jaeger-install.ts'
import { kafkaVersion } from '../brokers/kafka-install.ts'
import { natsVersion } from '../brokers/nats-install.ts'
import { assignments, exec, only, parseDockerfile } from './dockerfile.ts'
import { compose, deployed, gateways, type Service } from './files.ts'

const { services, volumes } = compose()
const image = parseDockerfile(deployed('Dockerfile')).at(-1)!
const imageVariables = assignments(only(image, 'ENV').text)
const own = Object.entries(services).filter(([, { image }]) => image === 'carillon')
const portOf = (url: string) => Number(new URL(url).port)

/** The variables of a service, those of its image among them; the file of the image is not read here. */
function environment(service: Service): Record<string, string> {
  const { CARILLON_CONFIG: _, ...ofImage } = imageVariables
  const given = Object.entries(service.environment ?? {}).map(([name, value]) => [name, String(value)])
  return { ...ofImage, ...Object.fromEntries(given) }
}

/** Keys of the compose specification that this file may use; a misspelt one would be ignored or refused at the first start only. */
const keys = new Set(
  `image build command environment ports volumes profiles depends_on healthcheck read_only restart stop_grace_period
   ulimits sysctls cap_drop security_opt hostname`.split(/\s+/),
)
const healthKeys = new Set(['test', 'interval', 'timeout', 'start_period', 'retries', 'disable'])

test('the compose file has two gateways on Kafka, two on NATS, and no unknown key', () => {
  assert.deepEqual(
    gateways().map(([name, { profiles }]) => [name, profiles?.[0]]),
    [
      ['gateway-1', undefined],
      ['gateway-2', undefined],
      ['gateway-nats-1', 'nats'],
      ['gateway-nats-2', 'nats'],
    ],
  )
  for (const [name, service] of Object.entries(services)) {
    for (const key of Object.keys(service)) assert.ok(keys.has(key), `${name}.${key}`)
    for (const key of Object.keys(service.healthcheck ?? {}))
      assert.ok(healthKeys.has(key), `${name}.healthcheck.${key}`)
  }
  const top = Object.keys(parse(deployed('compose.yaml'), { merge: true }))
  assert.deepEqual(
    top.filter((key) => !key.startsWith('x-')),
    ['name', 'services', 'volumes'],
  )
})

test('the environment of each of our services is a right configuration of the same streams', () => {
  for (const [name, service] of own) {
    const { config } = loadConfig({ flags: {}, env: environment(service) })
    const broker = service.profiles?.[0] === 'nats' ? 'nats://nats:4222' : 'kafka://kafka:9092'
    assert.equal(config.broker, broker, name)
    assert.deepEqual(config.streams, loadConfig({ flags: {}, env: environment(own[0]![1]) }).config.streams, name)
  }
})

test('the environment of each gateway sends traces to Jaeger, and tells the gateways apart', () => {
  const names = gateways().map(([name, service]) => {
    const env = environment(service)
    const refused = (message: string) => assert.fail(message)
    assert.deepEqual(traceExport(env, refused), { protocol: 'http/protobuf', endpoint: 'http://jaeger:4318' })
    assert.equal(env.OTEL_RESOURCE_ATTRIBUTES, `service.instance.id=${name}`)
    return name
  })
  assert.equal(new Set(names).size, 4)
})

test('hosts in addresses are services, and their ports those that the services listen on', () => {
  const listening: Record<string, number[]> = { kafka: [9092, 9093], nats: [4222], jaeger: [4318] }
  let found = 0
  for (const [name, service] of Object.entries(services)) {
    for (const value of Object.values(service.environment ?? {})) {
      for (const [, host, port] of String(value).matchAll(/(?:\/\/|@)([a-z][a-z0-9-]*):(\d+)/g)) {
        if (host === 'localhost') continue
        found++
        assert.ok(host! in services, `${name} names ${host}`)
        assert.ok(listening[host!]?.includes(Number(port)), `${name} names ${host}:${port}`)
      }
    }
  }
  assert.ok(found >= 10, `only ${found} addresses were found`)
  const { KAFKA_LISTENERS: listeners } = services.kafka!.environment!
  assert.match(String(listeners), /PLAINTEXT:\/\/:9092,HOST:\/\/:29092,CONTROLLER:\/\/:9093/)
  assert.match(deployed('nats/nats.conf'), /^port: 4222$/m)
})

test('ports are published on the loopback, each once, and lead to a port that its service has', () => {
  const listeners = [imageVariables.CARILLON_LISTEN!, imageVariables.CARILLON_ADMIN!].map(
    (text) => parseListen(text).port,
  )
  assert.deepEqual(listeners, [portOf(defaultGateway), portOf(defaultAdmin)])
  const published = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => ({ name, port })))
  const outside = new Set<string>()
  for (const { name, port } of published) {
    const [, from, to] = /^127\.0\.0\.1:(\d+):(\d+)$/.exec(port) ?? assert.fail(`${name}: ${port}`)
    assert.ok(!outside.has(from!), `${name}: ${from} is published twice`)
    outside.add(from!)
    if (own.some(([each]) => each === name)) assert.ok(listeners.includes(Number(to)), `${name}: ${port}`)
    else if (name !== 'jaeger') assert.equal(from, to, `${name}: its own port stays the same outside`)
  }
  assert.equal(outside.size, 2 * gateways().length + 5)
})

test('a service waits for what it depends on to be healthy or done', () => {
  for (const [name, { depends_on = {} }] of Object.entries(services)) {
    for (const [other, { condition }] of Object.entries(depends_on)) {
      const dependency = services[other] ?? assert.fail(`${name} depends on ${other}`)
      if (condition === 'service_healthy') assert.ok(dependency.healthcheck?.test !== undefined, other)
      else assert.equal(condition, 'service_completed_successfully')
      if (condition !== 'service_healthy') assert.equal(dependency.restart, undefined, `${other} would never be done`)
    }
  }
  for (const [name, { depends_on, profiles }] of gateways()) {
    assert.deepEqual(Object.keys(depends_on!), [profiles === undefined ? 'streams' : 'streams-nats'], name)
  }
})

test('a gateway asks for its health as its image does, and may take longer to end than it drains', () => {
  const command = only(image, 'HEALTHCHECK').text.replace(/^CMD /, '')
  for (const [name, service] of gateways()) {
    assert.deepEqual(service.healthcheck?.test, ['CMD', ...exec(command)], name)
    const { config } = loadConfig({ flags: {}, env: environment(service) })
    const graceMs = 1000 * Number(/^(\d+)s$/.exec(service.stop_grace_period!)![1])
    assert.ok(graceMs >= config.drainMs + 5000, name)
    assert.ok(service.ulimits!.nofile > config.limits.maxSessions, name)
    assert.equal(service.read_only, true, name)
  }
})

test('volumes and folders that services mount are there', () => {
  for (const [name, service] of Object.entries(services)) {
    for (const volume of service.volumes ?? []) {
      const source = volume.split(':')[0]!
      const there = source.startsWith('.')
        ? existsSync(new URL(`../../deploy/${source}`, import.meta.url))
        : source in volumes
      assert.ok(there, `${name}: ${volume}`)
    }
  }
  assert.ok(existsSync(new URL('../../deploy/Dockerfile', import.meta.url)))
  for (const [, { build }] of own) assert.deepEqual(build, { context: '..', dockerfile: 'deploy/Dockerfile' })
})

test('images are of the versions that the tests run on', () => {
  assert.equal(services.kafka!.image, `apache/kafka:${kafkaVersion}`)
  assert.equal(services.nats!.image, `nats:${natsVersion}-alpine`)
  assert.equal(services.jaeger!.image, `jaegertracing/all-in-one:${jaegerVersion}`)
  for (const [name, { image }] of Object.entries(services)) {
    if (image !== 'carillon') assert.match(image, /:v?\d+\.\d+\.\d+(-alpine)?$/, `${name}: a whole version`)
  }
})
