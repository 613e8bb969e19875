import { systemTiming } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { pageTabs } from './environment.ts'
import type { WorkerLeaderOptions } from './worker-leader.ts'
import { WorkerLifetime } from './worker-lifetime.ts'

/** The script `carillon-client/worker`: a SharedWorker with the connection of its pages. */

/** TypeScript's DOM library does not declare the global scope of a worker. */
interface SharedWorkerScope {
  onconnect: (event: MessageEvent) => void
  close(): void
}

const scope = globalThis as unknown as SharedWorkerScope

/** The environment of a worker, which is never visible or hidden. */
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

const lifetime = new WorkerLifetime({ environment, meeting, clock: systemTiming, random: systemRandom }, () =>
  scope.close(),
)

scope.onconnect = ({ ports }) => {
  ports[0]!.onmessage = ({ data }) => lifetime.heard(data)
}
