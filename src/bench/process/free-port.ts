import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Returns the lowest port from `first` on that starts `count` consecutive free ports on the
 * loopback.
 */
export async function freePorts(first: number, count: number): Promise<number> {
  for (let port = first; port + count <= 65_536; port++) {
    let free = true
    for (let i = 0; free && i < count; i++) free = await isFree(port + i)
    if (free) return port
  }
  throw new Error(`expected ${count} consecutive free ports from ${first} on, found none`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
