import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseListen } from '../../src/base/listen-address.ts'
import { defaultAdmin, defaultGateway } from '../../src/cli/gateway-url.ts'
import { loadConfig } from '../../src/config/load.ts'
import { options } from '../../src/config/options.ts'
import { assignments, exec, only, parseDockerfile } from './dockerfile.ts'
import { deployed, statements } from './files.ts'

const root = new URL('../../', import.meta.url)
const stages = parseDockerfile(deployed('Dockerfile'))
const [packages, image] = stages as [(typeof stages)[0], (typeof stages)[0]]
const variables = assignments(only(image, 'ENV').text)

test('the image has two stages, and the last one runs no command, so that it can be built for another processor', () => {
  assert.deepEqual([stages.length, packages.name], [2, 'packages'])
  assert.deepEqual(
    image.instructions.filter(({ keyword }) => keyword === 'RUN'),
    [],
  )
})

test('the variables of the image are options, and with them and its file the configuration is right', () => {
  const known = new Set([...options.map(({ variable }) => variable), 'CARILLON_CONFIG'])
  for (const name of Object.keys(variables)) assert.ok(known.has(name), name)
  const { CARILLON_CONFIG: at, ...env } = variables
  const copied = image.instructions.find(({ keyword, text }) => keyword === 'COPY' && text.endsWith(` ${at}`))
  assert.equal(copied?.text.split(' ')[0], 'deploy/carillon.yaml')
  const { config } = loadConfig({ flags: {}, env, file: fileURLToPath(new URL('deploy/carillon.yaml', root)) })
  assert.deepEqual([config.listen, config.admin], ['0.0.0.0:8080', '0.0.0.0:8081'])
})

test('the embedded log of the image is in its volume, which the user of the image owns', () => {
  const [volume] = exec(only(image, 'VOLUME').text)
  const { config } = loadConfig({
    flags: {},
    env: {},
    file: fileURLToPath(new URL('deploy/carillon.yaml', root)),
  })
  assert.ok(config.broker.startsWith(`embedded:${volume}/`), config.broker)
  const made = image.instructions.find(({ keyword, text }) => keyword === 'COPY' && text.endsWith(` ${volume}`))
  assert.equal(made?.flags.chown, only(image, 'USER').text)
})

test('the user of the image is a number other than root, and owns nothing else', () => {
  assert.match(only(image, 'USER').text, /^[1-9]\d*:[1-9]\d*$/)
  assert.equal(image.instructions.filter(({ flags }) => flags.chown !== undefined).length, 1)
})

test('the health check and the exposed ports are those of the listeners', () => {
  const ports = [variables.CARILLON_LISTEN!, variables.CARILLON_ADMIN!].map((text) => parseListen(text).port)
  assert.deepEqual(
    ports,
    [defaultGateway, defaultAdmin].map((url) => Number(new URL(url).port)),
  )
  assert.deepEqual(only(image, 'EXPOSE').text.split(' ').map(Number), ports)
  assert.equal(only(image, 'HEALTHCHECK').text, 'CMD ["bin/carillon", "health"]')
})

test('the image is stopped by the signal that drains a gateway, within the time that Docker gives it', () => {
  assert.equal(only(image, 'STOPSIGNAL').text, 'SIGTERM')
  const { config } = loadConfig({ flags: {}, env: {} })
  const adminMs = 1000
  const dockerMs = 10_000
  assert.ok(config.drainMs + adminMs < dockerMs)
})

test('the context has each file that the image copies, and no other', () => {
  const [all, ...kept] = statements(readFileSync(new URL('.dockerignore', root), 'utf8'))
  assert.equal(all, '*')
  const copied = stages.flatMap(({ instructions }) => {
    const own = instructions.filter(({ keyword, flags }) => keyword === 'COPY' && flags.from === undefined)
    return own.flatMap(({ text }) => text.split(' ').slice(0, -1))
  })
  assert.deepEqual([...new Set(copied)].toSorted(), kept.map((line) => line.slice(1)).toSorted())
  for (const path of copied) assert.ok(existsSync(new URL(path, root)), path)
})

test('each package with a binary for Linux on x64 is locked for arm64 too', () => {
  const lock = JSON.parse(readFileSync(new URL('package-lock.json', root), 'utf8')) as {
    packages: Record<string, { os?: string[]; cpu?: string[]; libc?: string[]; dev?: boolean; devOptional?: boolean }>
  }
  const locked = Object.entries(lock.packages).filter(([, { dev, devOptional }]) => !dev && !devOptional)
  const native = locked.filter(([name]) => /linux-x64/.test(name) && !/musl/.test(name)).map(([name]) => name)
  assert.ok(native.length >= 5, native.join())
  for (const name of native) assert.ok(lock.packages[name.replace('linux-x64', 'linux-arm64')] !== undefined, name)
})
