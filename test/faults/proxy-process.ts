import { FaultyProxy } from './proxy.ts'
import type { ProxyAnswer, ProxyOrder } from './site.ts'

/** All proxies of a run, at their parent's command; the process ends with its parent. */

const proxies: FaultyProxy[] = []

async function obey(order: ProxyOrder): Promise<ProxyAnswer> {
  switch (order.kind) {
    case 'begin':
      for (const { port, target } of order.ways) proxies.push(await FaultyProxy.start(port, target))
      break
    case 'pass':
      proxies[order.proxy]!.pass(order.passing)
      break
    case 'cut':
      proxies[order.proxy]!.cut(order.nth)
  }
  return {}
}

process.on('message', (order: ProxyOrder) => {
  void obey(order).then((answer) => process.send!(answer))
})
process.on('disconnect', () => process.exit())
