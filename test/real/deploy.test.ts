import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { kafkaAvailable } from '../brokers/kafka.ts'
import { clusterId, kafkaHome } from '../brokers/kafka-install.ts'
import { guard } from '../brokers/kafka-node.ts'
import { natsAvailable } from '../brokers/nats.ts'
import { natsServer } from '../brokers/nats-install.ts'
import { parseDockerfile } from '../deploy/dockerfile.ts'
import { compose, deployed } from '../deploy/files.ts'
import { patienceMs } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { build, type Image, identity } from './support/image.ts'
import { Run } from './support/run.ts'

/**
 * What deploy/ describes, without Docker: the Dockerfile's steps in a scratch folder, by a plain user with an empty npm cache; then the
 * compose file's services as processes of this host, with the image's program and the compose file's environment.
 */

const context = fileURLToPath(new URL('../..', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'carillon-image-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

/** As the image has them, on other ports. */
const listen = '0.0.0.0:19980'
const admin = '0.0.0.0:19981'
/** What Debian's slim image has (libc6, libstdc++6, libgcc-s1), as `ldd` names it. */
const baseLibraries = /^(linux-vdso|ld-linux-[\w-]+|lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s))\.so\.\d+$/
let image: Image

before(async () => {
  chmodSync(scratch, 0o777)
  // The environment of this host, for its proxies and certificates; the rest is a new user's: no settings, an empty cache.
  const env = { ...process.env, HOME: join(scratch, 'home') }
  const stages = parseDockerfile(deployed('Dockerfile'))
  image = await build(stages, { context, scratch, env, builder: identity('10002:10002') })
})

/** Runs a program of the image as the image's user, with its variables and those given. */
function start([program, ...args]: readonly string[], env: Readonly<Record<string, string>>): Run {
  // Without this host's PATH there is no other Node to fall back on.
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  return new Run(args, image.workdir, { ...image.env, PATH: path, ...env }, { program, as: image.user })
}

describe('the image', { timeout: 60_000 }, () => {
  test('holds one binary of each kind, for this platform, and nothing that its base has no library for', () => {
    const files = filesBelow(join(image.workdir, 'node_modules'))
    const binaries = files.filter((file) => file.endsWith('.node'))
    assert.equal(binaries.filter((file) => file.includes('/uWebSockets.js/')).length, 1)
    assert.ok(binaries.length >= 5, binaries.join())
    const node = files.filter((file) => /\/node-linux-[a-z0-9]+\/bin\/node$/.test(file))
    assert.equal(node.length, 1)
    for (const file of [...binaries, ...node]) {
      for (const [, library] of execFileSync('ldd', [file], { encoding: 'utf8' }).matchAll(/^\s+(?:\S*\/)?(\S+)/gm)) {
        assert.match(library!, baseLibraries, file)
      }
    }
  })

  test('is small, without what only developers need', () => {
    const files = filesBelow(image.root)
    const mib = files.reduce((sum, file) => sum + statSync(file).size, 0) / 2 ** 20
    assert.ok(mib < 190, `${mib} MiB without the base`)
    const unwanted =
      /\/node_modules\/(typescript|@biomejs|playwright-core|protobufjs-cli)\/|\/uWebSockets\.js\/.*(darwin|win32)|\.musl\.|node_modules\/.*\.(map|d\.[cm]?ts)$/
    assert.deepEqual(
      files.filter((file) => unwanted.test(file)),
      [],
    )
  })

  test('serves, is found healthy by its own check, and ends when it is told to, as a user who owns nothing', async () => {
    const env = { CARILLON_LISTEN: listen, CARILLON_ADMIN: admin, CARILLON_BROKER: log() }
    const run = start(image.command, env)
    await until('serving', patienceMs, () => run.child.exitCode !== null || run.stdout.includes('clients on'))
    assert.match(run.stdout, new RegExp(`clients on http://${listen}, admin on http://${admin}`), run.stderr)
    await until('up', patienceMs, () => run.stderr.includes('"stream events is up"'))
    const [program, ...rest] = image.healthcheck
    const healthy = start([program!, ...rest], env)
    assert.deepEqual([await healthy.ended, healthy.stdout, healthy.stderr], [0, 'ready\n', ''])
    // docker exec
    const published = start([program!, 'publish', 'image.a', 'b'], env)
    assert.equal(await published.ended, 0, published.stderr)
    if (image.user !== undefined) assert.equal(ownerOf(run.child.pid!), image.user.uid)
    run.child.kill('SIGTERM')
    assert.equal(await run.ended, 0, run.stderr)
  })

  test('is not healthy when no gateway answers', async () => {
    const [program, ...rest] = image.healthcheck
    const asked = start([program!, ...rest], { CARILLON_ADMIN: admin })
    assert.notEqual(await asked.ended, 0)
  })

  /** The embedded log in the volume, under its name on this host. */
  function log(): string {
    return `embedded:${join(image.root, 'var/lib/carillon/log')}`
  }
})

describe('the compose file', { timeout: 120_000 }, () => {
  const { services } = compose()
  const folder = join(scratch, 'compose')

  /** An address or path of the compose file as this host has it: each service on a port of its own on the loopback. */
  const here = (text: string) =>
    [
      ['kafka:9092', '127.0.0.1:19984'],
      ['localhost:29092', '127.0.0.1:19985'],
      ['kafka:9093', '127.0.0.1:19986'],
      ['//:9092', '//127.0.0.1:19984'],
      ['//:29092', '//127.0.0.1:19985'],
      ['//:9093', '//127.0.0.1:19986'],
      ['nats:4222', '127.0.0.1:19987'],
      // Nobody listens there: a collector that is away must not matter.
      ['jaeger:4318', '127.0.0.1:19989'],
      ['/var/lib/kafka/data', join(folder, 'data')],
      ['/data', join(folder, 'nats')],
    ].reduce((all, [from, to]) => all.replaceAll(from!, to!), text)

  const environment = (name: string) => {
    const variables = Object.entries(services[name]!.environment ?? {})
    return Object.fromEntries(variables.map(([key, value]) => [key, here(String(value))]))
  }

  /** The program of a service with the listeners of the nth gateway. */
  const serviceRun = (t: TestContext, name: string, nth: number) => {
    const [program, ...rest] = image.command
    const listeners = {
      CARILLON_LISTEN: `127.0.0.1:${19_980 + 2 * nth}`,
      CARILLON_ADMIN: `127.0.0.1:${19_981 + 2 * nth}`,
    }
    const run = start([program!, ...(services[name]!.command ?? rest)], { ...environment(name), ...listeners })
    t.after(() => run.child.kill('SIGKILL'))
    return run
  }

  /** Creates the streams, starts both gateways, and finds an event that is published at `broker` on each. */
  const serves = async (t: TestContext, streams: string, gateways: readonly string[], broker: string) => {
    const creating = serviceRun(t, streams, 0)
    assert.equal(await creating.ended, 0, creating.stderr)
    assert.match(creating.stdout, /^events +carillon +12 /m)
    const runs = gateways.map((name, i) => serviceRun(t, name, i))
    for (const run of runs)
      await until('up', patienceMs, () => run.child.exitCode !== null || run.stderr.includes('events is up'))
    const [program] = image.command
    const sent = start([program!, 'publish', '--broker', broker, 'compose.a', 'hello'], environment(gateways[0]!))
    assert.equal(await sent.ended, 0, sent.stderr)
    for (const [i, run] of runs.entries()) {
      const url = `http://127.0.0.1:${19_980 + 2 * i}/v1/poll?subject=compose.a&after=earliest`
      const { frames } = (await (await fetch(url)).json()) as { frames: { delivery?: { event: { text: string } } }[] }
      assert.deepEqual(
        frames.flatMap(({ delivery }) => delivery?.event.text ?? []),
        ['hello'],
        run.stderr,
      )
      run.child.kill('SIGTERM')
      assert.equal(await run.ended, 0, run.stderr)
    }
  }

  const withoutKafka = kafkaAvailable() ?? false

  test('its Kafka is set up by the wrapper of the Kafka image, and its gateways serve what comes to either listener', {
    skip: withoutKafka,
  }, async (t) => {
    const [defaults, final] = ['defaults', 'final'].map((name) => join(folder, name)) as [string, string]
    for (const path of [defaults, final, join(folder, 'data')]) mkdirSync(path, { recursive: true })
    for (const file of ['server.properties', 'log4j2.yaml', 'tools-log4j2.yaml'])
      writeFileSync(join(defaults, file), '')
    const dirs = ['--default-configs-dir', defaults, '--mounted-configs-dir', defaults, '--final-configs-dir', final]
    // What a start costs is not what is looked at.
    const quickStart = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', `-XX:SharedArchiveFile=${kafkaHome.archive}`]
    const java = (main: string, ...args: string[]) =>
      new Run(
        [...quickStart, '-Xmx256m', '-cp', kafkaHome.classPath, main, ...args],
        folder,
        { ...environment('kafka'), CLUSTER_ID: clusterId },
        { program: 'java' },
      )
    const setUp = java('kafka.docker.KafkaDockerWrapper', 'setup', ...dirs)
    assert.equal(await setUp.ended, 0, setUp.stderr)
    const kafka = java('kafka.Kafka', join(final, 'server.properties'))
    const guarding = guard(kafka.child.pid!)
    t.after(async () => {
      kafka.child.kill('SIGKILL')
      guarding.kill()
      await kafka.ended
    })
    await until(
      'Kafka is up',
      60_000,
      () => kafka.child.exitCode !== null || kafka.stderr.includes('Kafka Server started'),
    )
    assert.equal(kafka.child.exitCode, null, kafka.stderr.slice(-2000))
    await serves(t, 'streams', ['gateway-1', 'gateway-2'], `kafka://${here('localhost:29092')}`)
  })

  test('its NATS takes its configuration and is found healthy, and its gateways serve', {
    skip: natsAvailable() ?? false,
  }, async (t) => {
    const monitor = ['127.0.0.1:8222', '127.0.0.1:19988'] as const
    const file = join(folder, 'nats.conf')
    mkdirSync(join(folder, 'nats'), { recursive: true })
    const given = readFileSync(new URL('../../deploy/nats/nats.conf', import.meta.url), 'utf8')
    writeFileSync(file, here(given.replace(/^port: 4222$/m, 'listen: "nats:4222"').replace(...monitor)))
    const nats = new Run(['--config', file], folder, {}, { program: natsServer()! })
    t.after(async () => {
      nats.child.kill('SIGKILL')
      await nats.ended
    })
    const health = services.nats!.healthcheck!.test!.at(-1)!.replace(...monitor)
    await until('NATS is healthy', patienceMs, async () => (await fetch(health)).status === 200)
    await serves(t, 'streams-nats', ['gateway-nats-1', 'gateway-nats-2'], here('nats://nats:4222'))
  })
})

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

function ownerOf(pid: number): number {
  return Number(/^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1])
}
