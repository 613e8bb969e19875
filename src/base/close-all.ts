/**
 * Runs every step, one after the other, each whether or not those before it failed: what is open must not stay open because something
 * else would not close. Rejects with the first failure once all have run.
 */
export async function closeAll(steps: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
