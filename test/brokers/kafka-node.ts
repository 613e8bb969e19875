import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { clusterId, kafkaHome } from './kafka-install.ts'

const readyTimeoutMs = 60_000
const pollMs = 20

export interface NodeOptions {
  /** 1 and up. */
  readonly id: number
  readonly nodes: number
  readonly basePort: number
  readonly dir: string
  readonly properties: Readonly<Record<string, string>>
  readonly vmOptions: readonly string[]
  /** Lives on after this process; else it ends with it, however that ends. */
  readonly detached: boolean
}

/** One combined broker and controller: listens on basePort + id − 1, its controller on basePort + 10 + id − 1. */
export class KafkaNode {
  readonly address: string
  readonly #options: NodeOptions
  readonly #dir: string
  #child: ChildProcess | undefined
  #guard: ChildProcess | undefined

  constructor(options: NodeOptions) {
    this.#options = options
    this.#dir = join(options.dir, `n${options.id}`)
    this.address = `127.0.0.1:${options.basePort + options.id - 1}`
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Where a partition's segments are. */
  logDir(topic: string, partition: number): string {
    return join(this.#dir, 'log', `${topic}-${partition}`)
  }

  /** Starts it, on its old data if there is any; resolves when it serves. */
  async start(): Promise<void> {
    this.#format()
    const log = join(this.#dir, 'out.log')
    writeFileSync(log, '')
    const out = openSync(log, 'a')
    const child = spawn('java', this.#arguments(), {
      cwd: this.#dir,
      detached: true,
      stdio: ['ignore', out, out],
    })
    closeSync(out)
    this.#child = child
    writeFileSync(join(this.#dir, 'pid'), `${child.pid}\n`)
    child.unref()
    if (!this.#options.detached) this.#guard = guard(child.pid!)
    await this.#ready(child, log)
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name)
  }

  /** Ends it and waits for its end. KILL by default: combined nodes that get TERM together wait minutes for a quorum. */
  async end(name: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.ref()
      child.kill(name)
      await ended
    }
    this.#guard?.kill('SIGKILL')
    this.#guard = undefined
  }

  async #ready(child: ChildProcess, log: string): Promise<void> {
    const deadline = performance.now() + readyTimeoutMs
    while (!readFileSync(log, 'utf8').includes('Kafka Server started')) {
      const ended = child.exitCode !== null || child.signalCode !== null
      if (ended || performance.now() > deadline) {
        await this.end()
        const what = ended ? 'ended while starting' : `was not ready in ${readyTimeoutMs} ms`
        throw new Error(`Kafka node ${this.#options.id} ${what}:\n${readFileSync(log, 'utf8').slice(-4000)}`)
      }
      await delay(pollMs)
    }
  }

  /** What `StorageTool format` would write, without a JVM. */
  #format(): void {
    const log = join(this.#dir, 'log')
    mkdirSync(log, { recursive: true })
    writeFileSync(join(this.#dir, 'server.properties'), this.#properties())
    if (existsSync(join(log, 'meta.properties'))) return
    const { id } = this.#options
    // The directory ids must decode to different UUIDs: a node whose id is another's never joins the quorum.
    const directory = Buffer.from([0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 1, id]).toString('base64url')
    const meta = ['version=1', `cluster.id=${clusterId}`, `node.id=${id}`, `directory.id=${directory}`]
    writeFileSync(join(log, 'meta.properties'), `${meta.join('\n')}\n`)
    copyFileSync(kafkaHome.checkpoint, join(log, 'bootstrap.checkpoint'))
  }

  #arguments(): string[] {
    const quiet = '-Dorg.slf4j.simpleLogger.'
    const { vmOptions } = this.#options
    return [
      '-Xms256m',
      '-Xmx256m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      '-Xss512k',
      '-XX:MaxDirectMemorySize=128m',
      '-Djava.awt.headless=true',
      ...(vmOptions.length === 0 && existsSync(kafkaHome.archive)
        ? [`-XX:SharedArchiveFile=${kafkaHome.archive}`]
        : vmOptions),
      `${quiet}defaultLogLevel=warn`,
      `${quiet}log.kafka.server.KafkaRaftServer=info`,
      '-cp',
      kafkaHome.classPath,
      'kafka.Kafka',
      join(this.#dir, 'server.properties'),
    ]
  }

  #properties(): string {
    const { id, nodes, basePort, properties } = this.#options
    const ids = Array.from({ length: nodes }, (_, i) => i + 1)
    const inSync = nodes >= 3 ? 2 : 1
    const controller = (node: number) => `127.0.0.1:${basePort + 10 + node - 1}`
    const all: Record<string, string | number> = {
      'process.roles': 'broker,controller',
      'node.id': id,
      'controller.quorum.voters': ids.map((node) => `${node}@${controller(node)}`).join(','),
      'controller.listener.names': 'CONTROLLER',
      listeners: `PLAINTEXT://${this.address},CONTROLLER://${controller(id)}`,
      'advertised.listeners': `PLAINTEXT://${this.address}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
      'log.dirs': join(this.#dir, 'log'),
      'default.replication.factor': nodes,
      'min.insync.replicas': inSync,
      ...internalTopics(nodes, inSync),
      ...fixedProperties,
      ...properties,
    }
    return `${Object.entries(all)
      .map(([name, value]) => `${name}=${value}`)
      .join('\n')}\n`
  }
}

function internalTopics(nodes: number, inSync: number): Record<string, number> {
  const topics: Record<string, number> = {}
  for (const name of ['offsets.topic', 'transaction.state.log', 'share.coordinator.state.topic']) {
    topics[`${name}.num.partitions`] = 1
    topics[`${name}.replication.factor`] = nodes
    if (name !== 'offsets.topic') topics[`${name}.min.isr`] = inSync
  }
  return topics
}

/** Faults are noticed in about 3 s (the defaults take 9), and the footprint is small. */
const fixedProperties: Record<string, string | number> = {
  'auto.create.topics.enable': 'false',
  'group.initial.rebalance.delay.ms': 0,
  'group.coordinator.threads': 1,
  'broker.session.timeout.ms': 3000,
  'broker.heartbeat.interval.ms': 500,
  'controller.quorum.election.timeout.ms': 500,
  'controller.quorum.fetch.timeout.ms': 1500,
  'controller.quorum.election.backoff.max.ms': 500,
  'num.network.threads': 2,
  'num.io.threads': 2,
  'background.threads': 2,
  'num.recovery.threads.per.data.dir': 1,
  'log.cleaner.threads': 1,
  'log.cleaner.dedupe.buffer.size': 4194304,
  'log.initial.task.delay.ms': 1000,
  'log.retention.check.interval.ms': 1000,
  'log.segment.delete.delay.ms': 1000,
  'log.segment.bytes': 67108864,
}

/** Ends `pid` when this process is gone, killed included: the guard's standard input closes then. */
export function guard(pid: number): ChildProcess {
  const child = spawn('sh', ['-c', `cat >/dev/null; kill -9 ${pid} 2>/dev/null`], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  // An open pipe keeps the event loop alive unless told not to.
  ;(child.stdin as unknown as { unref(): void }).unref()
  return child
}
