/**
 * Runs all steps in order, each one even if earlier ones failed, so that one failure leaves
 * nothing else open. Rejects with the first failure after all have run.
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
