import { run } from './history.ts'
import type { Plan } from './plan.ts'
import type { PromiseName } from './verdict.ts'

/** How long a smaller story is looked for, ms. */
const patienceMs = 30_000

/**
 * A plan with as few actions and clients as still break the same promise: delta debugging (Zeller and Hildebrandt, 2002), as far
 * as patience goes. What is left happens at other moments of the random numbers, so it need not be the same fault.
 */
export async function shrink(plan: Plan, promise: PromiseName): Promise<Plan> {
  const deadline = performance.now() + patienceMs
  const breaks = async (candidate: Plan): Promise<boolean> => {
    if (performance.now() > deadline) return false
    return (await run(candidate)).failure?.promise === promise
  }
  let least = plan
  for (let before = -1; before !== sizeOf(least) && performance.now() < deadline; ) {
    before = sizeOf(least)
    least = { ...least, actions: await fewer(least.actions, (actions) => breaks({ ...least, actions })) }
    least = { ...least, clients: await fewer(least.clients, (clients) => breaks({ ...least, clients })) }
  }
  return least
}

const sizeOf = ({ actions, clients }: Plan): number => actions.length + clients.length

async function fewer<T>(
  list: readonly T[],
  stillBreaks: (list: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let left = list
  for (let size = Math.ceil(left.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < left.length; ) {
      const without = [...left.slice(0, at), ...left.slice(at + size)]
      if (await stillBreaks(without)) left = without
      else at += size
    }
  }
  return left
}
