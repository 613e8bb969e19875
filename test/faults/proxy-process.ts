import { answer } from '../../src/bench/process/child.ts'
import { FaultyProxy, type Passing } from '../support/faulty-proxy.ts'

/** A process that holds the proxies of a run, by their numbers. */

const proxies: FaultyProxy[] = []

const handlers = {
  begin: async (ways: readonly { readonly port: number; readonly target: number }[]): Promise<void> => {
    for (const { port, target } of ways) proxies.push(await FaultyProxy.start(port, target))
  },
  pass: ({ proxy, passing }: { proxy: number; passing: Passing }): void => proxies[proxy]!.pass(passing),
  cut: ({ proxy, nth }: { proxy: number; nth: number }): void => proxies[proxy]!.cut(nth),
}
export type ProxyHandlers = typeof handlers

answer(handlers)
