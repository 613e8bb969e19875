import { decodeToken, growthPartition } from '../../src/wire/token.ts'
import type { LogRecord } from './partition-log.ts'

/** For people. */
export function shown({ incarnation, partition, offset, epoch, event, damaged }: LogRecord): string {
  const what = event === undefined ? (damaged ? 'damaged' : 'unusable') : `${event.subject} "${event.id}"`
  return `${what} at ${incarnation}/${partition}@${offset} (epoch ${epoch})`
}

/** Beside `earliest`, `@time` and the like. */
export const isToken = (after: string): boolean => !after.startsWith('@') && after !== 'earliest' && after !== 'latest'

export function shownToken(token: string): string {
  try {
    return decodeToken(token)
      .map(({ incarnationHash, partition, offset, generation }) => {
        if (partition === growthPartition) return `of ${offset}`
        return `${(incarnationHash & 0xff).toString(16)}:${partition}@${offset}(${generation})`
      })
      .join('+')
  } catch {
    return token
  }
}
