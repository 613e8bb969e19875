import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openNats } from '../../src/source/jetstream/source.ts'
import { type NatsServer, natsAvailable, startNats } from '../brokers/nats.ts'
import { administerNats } from '../brokers/nats-admin.ts'
import { conformance } from '../source/conformance.ts'
import type { Harness } from '../source/conformance-run.ts'

const skip = natsAvailable()
const port = 19_800
const dir = mkdtempSync(join(tmpdir(), 'carillon-nats-'))
let server: NatsServer

const open = () => openNats({ servers: [`127.0.0.1:${port}`], publishTimeoutMs: 3000 }, { log: () => {} })

const harness: Harness = {
  ...(skip === undefined ? {} : { skip }),
  start: async () => {
    server = await startNats({ port, dir })
  },
  stop: async () => {
    await server.kill()
    rmSync(dir, { recursive: true, force: true })
  },
  open,
  reopen: async (source) => {
    await source.close()
    return open()
  },
  delete: async (source, stream) => {
    const { partitions } = (await source.describe(stream))!
    await administerNats(server.address, async ({ streams }) => {
      for (let partition = 0; partition < partitions; partition++) await streams.delete(`${stream}-${partition}`)
    })
  },
  retain: async (_, { name }, partition, from) => {
    await administerNats(server.address, ({ streams }) => streams.purge(`${name}-${partition}`, { seq: from }))
  },
  grow: async (source, name, count) => {
    const { partitions } = (await source.describe(name))!
    await administerNats(server.address, async ({ streams }) => {
      for (let partition = partitions; partition < count; partition++) {
        await streams.add({ name: `${name}-${partition}`, subjects: [`${name}.${partition}.>`] })
      }
    })
  },
  outage: { begin: () => server.kill(), end: () => server.start() },
}

// A server takes 1 MiB of headers and value unless told otherwise.
conformance('NATS', harness, { largeValueBytes: 1_048_000, firstOffset: 1 })
