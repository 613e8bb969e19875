import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The one version that the tests are written against. 4.4.0 names a module that Maven Central does not have. */
export const kafkaVersion = '4.3.1'
const slf4jVersion = '1.7.36'

const root = fileURLToPath(new URL('../..', import.meta.url))
const home = join(root, `.cache/kafka-${kafkaVersion}`)
const stamp = join(home, 'installed')

/** Where an installed Kafka has what a node needs. */
export const kafkaHome = {
  classPath: join(home, 'libs/*'),
  /** Feature levels as `StorageTool format` writes them; the same for every node. */
  checkpoint: join(home, 'bootstrap.checkpoint'),
  /** Class-data archive: about halves a start's CPU time. */
  archive: join(home, 'kafka.jsa'),
  /** Data of nodes that tests start. */
  data: join(root, '.cache/kafka-data'),
} as const

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>carillon.test</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>${slf4jVersion}</version></dependency>
  </dependencies>
</project>
`
const copyDependencies = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies'

export function kafkaInstalled(): boolean {
  return existsSync(stamp)
}

/** What this machine lacks to install or run Kafka; undefined when it has all. */
export function missingTool(): string | undefined {
  const java = javaMajor()
  if (java === undefined) return 'Java 17 or newer is not installed (Debian: openjdk-17-jre-headless)'
  if (java < 17) return `Java 17 or newer is needed, this is Java ${java}`
  if (!kafkaInstalled() && !runs('mvn', '-v')) return 'Maven is not installed (Debian: maven)'
  return undefined
}

/** Installs Kafka unless it is there; `progress` gets a line a step. Throws when a step fails. */
export async function installKafka(
  progress: (line: string) => void,
  makeArchive: (vmOptions: readonly string[]) => Promise<void>,
): Promise<void> {
  if (kafkaInstalled()) return
  const lacking = missingTool()
  if (lacking !== undefined) throw new Error(lacking)
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'pom.xml'), pom)
  progress(`fetching Apache Kafka ${kafkaVersion} from Maven Central (about 60 MB, once) ...`)
  const target = [`-DoutputDirectory=${join(home, 'libs')}`, '-DincludeScope=runtime']
  await run('mvn', ['-q', '-B', '-f', join(home, 'pom.xml'), copyDependencies, ...target])
  progress('writing the storage checkpoint ...')
  await writeCheckpoint()
  progress('archiving its classes for a quick start ...')
  await makeArchive([`-XX:ArchiveClassesAtExit=${kafkaHome.archive}`])
  writeFileSync(stamp, `${kafkaVersion}\n`)
}

/** `StorageTool format` costs a JVM; its node-independent output is made once and copied to each node. */
async function writeCheckpoint(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'carillon-kafka-'))
  try {
    const properties = join(scratch, 'server.properties')
    const lines = [
      'process.roles=broker,controller',
      'node.id=1',
      'controller.quorum.voters=1@127.0.0.1:1',
      'controller.listener.names=CONTROLLER',
      'listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1',
      'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name=PLAINTEXT',
      `log.dirs=${join(scratch, 'log')}`,
    ]
    writeFileSync(properties, `${lines.join('\n')}\n`)
    const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'
    const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', properties]
    await run('java', ['-Xmx128m', quiet, '-cp', kafkaHome.classPath, ...format])
    renameAcross(join(scratch, 'log/bootstrap.checkpoint'), kafkaHome.checkpoint)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Any base64 UUID: the checkpoint does not depend on it. */
export const clusterId = 'AAAAAAAAQACAAAAAAAAAAQ'

/** `rename` fails across file systems, and a temporary folder often is one. */
function renameAcross(from: string, to: string): void {
  writeFileSync(`${to}.partial`, readFileSync(from))
  renameSync(`${to}.partial`, to)
}

function javaMajor(): number | undefined {
  try {
    const text = execFileSync('sh', ['-c', 'java -version 2>&1'], { encoding: 'utf8' })
    const match = /version "(?:1\.)?(\d+)/.exec(text)
    return match === null ? undefined : Number(match[1])
  } catch {
    return undefined
  }
}

function runs(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Runs to the end; its output is shown only when it fails. */
function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-8192)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', reject)
    child.on('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`${command} ended with ${code}:\n${output}`))
    })
  })
}
