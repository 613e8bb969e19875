import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/**
 * With `net.ipv4.tcp_notsent_lowat`, as deploy/ sets it, a socket says that it is writable while it has room for a part of the next
 * write only. It is set in a network namespace of our own, where this host lets us have one (root, unshare, ip and sysctl).
 */
const inNamespace = 'ip link set lo up && sysctl -qw net.ipv4.tcp_notsent_lowat=16384'
const isThere = spawnSync('unshare', ['-n', 'sh', '-c', inNamespace]).status === 0

test('where sockets take little at a time, streams stay whole', { timeout: 120_000 }, async (t) => {
  if (!isThere) t.diagnostic("no network namespace: run with this host's own tcp_notsent_lowat")
  const file = fileURLToPath(new URL('support/slow-streams.ts', import.meta.url))
  const program = [process.execPath, '--disable-warning=ExperimentalWarning', file]
  const command = isThere ? ['unshare', '-n', 'sh', '-c', `${inNamespace} && exec "$0" "$@"`, ...program] : program
  const { stdout } = await promisify(execFile)(command[0]!, command.slice(1))
  const { chunks, broken } = JSON.parse(stdout)
  assert.deepEqual(broken, [])
  assert.ok(chunks > 10_000, `${chunks} chunks`)
})
