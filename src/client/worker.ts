import { systemTiming } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { pageTabs } from './environment.ts'
import type { WorkerLeaderOptions } from './worker-leader.ts'
import { WorkerLifetime } from './worker-lifetime.ts'

/** `carillon-client/worker`: the script of a SharedWorker that has the connection of the pages which name it. */

/** TypeScript's library has a worker's surroundings only where it has no page's. */
interface SharedWorkerScope {
  onconnect: (event: MessageEvent) => void
  close(): void
}

const scope = globalThis as unknown as SharedWorkerScope

/** Of a worker, which nobody sees. */
const environment: WorkerLeaderOptions['environment'] = {
  online: () => navigator.onLine,
  tabs: undefined,
  watch(happened) {
    const over = new AbortController()
    const { signal } = over
    for (const what of ['online', 'offline'] as const) addEventListener(what, () => happened(what), { signal })
    return () => over.abort()
  },
}

const meeting: WorkerLeaderOptions['meeting'] = {
  join: pageTabs.join,
  lead: (name, granted) => pageTabs.lead(name, granted, { steal: true }),
}

const host = new WorkerLifetime({ environment, meeting, clock: systemTiming, random: systemRandom }, () =>
  scope.close(),
)

scope.onconnect = ({ ports }) => {
  ports[0]!.onmessage = ({ data }) => host.heard(data)
}
