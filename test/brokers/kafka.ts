import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installKafka, kafkaInstalled, missingTool } from './kafka-install.ts'
import { KafkaNode } from './kafka-node.ts'

export interface KafkaClusterOptions {
  /** 1 or 3 nodes, each both broker and controller; topics are replicated to all of them. */
  readonly nodes: number
  /** Brokers listen on basePort…, controllers on basePort + 10…, on loopback. */
  readonly basePort: number
  /** Their data; kept between starts. */
  readonly dir: string
  /** Further lines of server.properties. */
  readonly properties?: Readonly<Record<string, string>>
  /** Let the nodes outlive this process. */
  readonly detached?: boolean
}

export interface KafkaCluster {
  /** `host:port`, node 1 first. */
  readonly brokers: string[]
  /** Ends a node without warning (KILL). */
  kill(node: number): Promise<void>
  /** Ends a node as an operator would (TERM): its log is flushed and is not checked at the next start. */
  shutDown(node: number): Promise<void>
  /** Stops a node's clock (STOP): it keeps its connections and answers nothing. */
  freeze(node: number): void
  resume(node: number): void
  /** Starts an ended node on its old data. */
  restart(node: number): Promise<void>
  /** The folder with the node's segments of a partition. */
  logDir(node: number, topic: string, partition: number): string
  /** Ends all nodes; their data stays. */
  stop(): Promise<void>
}

/** Why no Kafka can be started here; undefined when it can. */
export function kafkaAvailable(): string | undefined {
  if (!kafkaInstalled()) return `Apache Kafka is not installed: ${missingTool() ?? 'run `make kafka`'}`
  return missingTool()
}

export async function install(progress: (line: string) => void): Promise<void> {
  await installKafka(progress, async (vmOptions) => {
    const dir = mkdtempSync(join(tmpdir(), 'carillon-kafka-'))
    const node = new KafkaNode({ ...single(archivePort, dir), vmOptions, detached: false })
    try {
      await node.start()
      await node.end('SIGTERM')
    } finally {
      await node.end()
      rmSync(dir, { recursive: true, force: true })
    }
  })
}

/** Of the node that is started once at installation. */
const archivePort = 19180

const single = (basePort: number, dir: string) => ({ id: 1, nodes: 1, basePort, dir, properties: {} })

/** Starts a cluster; resolves when every node serves. It ends with this process unless detached. */
export async function startKafka(options: KafkaClusterOptions): Promise<KafkaCluster> {
  const reason = kafkaAvailable()
  if (reason !== undefined) throw new Error(reason)
  const nodes = Array.from({ length: options.nodes }, (_, i) => {
    const rest = { properties: options.properties ?? {}, vmOptions: [], detached: options.detached ?? false }
    return new KafkaNode({ ...options, ...rest, id: i + 1 })
  })
  const at = (node: number): KafkaNode => nodes[node - 1]!
  const stop = async () => {
    process.off('exit', killAll)
    await Promise.all(nodes.map((node) => node.end()))
  }
  const killAll = () => {
    for (const node of nodes) node.signal('SIGKILL')
  }
  if (options.detached !== true) process.once('exit', killAll)
  try {
    await Promise.all(nodes.map((node) => node.start()))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    brokers: nodes.map((node) => node.address),
    kill: (node) => at(node).end(),
    shutDown: (node) => at(node).end('SIGTERM'),
    freeze: (node) => at(node).signal('SIGSTOP'),
    resume: (node) => at(node).signal('SIGCONT'),
    restart: (node) => at(node).start(),
    logDir: (node, topic, partition) => at(node).logDir(topic, partition),
    stop,
  }
}

/** Ends the nodes that an earlier process started detached in `dir`; the number of those that were running. */
export function stopDetached(dir: string): number {
  if (!existsSync(dir)) return 0
  let ended = 0
  for (const name of readdirSync(dir)) {
    const file = join(dir, name, 'pid')
    if (!existsSync(file)) continue
    const pid = Number(readFileSync(file, 'utf8'))
    rmSync(file)
    // A pid of long ago may be another program's by now.
    if (!commandOf(pid).includes(join(dir, name))) continue
    process.kill(pid, 'SIGKILL')
    ended++
  }
  return ended
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
