import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'

const pollMs = 5

/**
 * Waits for a condition. Fails with `what` when it is not true after `patienceMs`. Rejections
 * count as "not yet".
 */
export async function until<T>(
  what: string,
  patienceMs: number,
  fact: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + patienceMs
  let failure: unknown
  for (;;) {
    try {
      const value = await fact()
      if (value !== false && value !== undefined && value !== null) {
        return value as Exclude<T, false | null | undefined>
      }
      failure = undefined
    } catch (error) {
      failure = error
    }
    if (performance.now() > deadline) {
      assert.fail(`still not true after ${patienceMs} ms: ${what}${failure === undefined ? '' : ` (${failure})`}`)
    }
    await delay(pollMs)
  }
}
