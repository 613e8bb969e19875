import { setTimeout as delay } from 'node:timers/promises'
import { answer } from '../../src/bench/process/child.ts'
import type { Profile } from './profiles.ts'
import { Recorder } from './recorder.ts'
import { StoryFile } from './story-file.ts'

/** A process that holds clients. */

export interface ClientsReport {
  readonly served: number
  /** Events handed to programs so far. */
  readonly handed: number
  /** For people: some of those that are not served. */
  readonly waiting: readonly string[]
}

/** Clients that begin together, and the time until the next ones do, ms. */
const together = 10
const pauseMs = 20

const recorders: Recorder[] = []
let story: StoryFile

const handlers = {
  begin: async ({ file, profiles }: { file: string; profiles: readonly Profile[] }): Promise<void> => {
    story = new StoryFile(file)
    for (const profile of profiles) {
      recorders.push(new Recorder(profile, story))
      if (recorders.length % together === 0) await delay(pauseMs)
    }
  },
  look: (_: null): ClientsReport => {
    const waiting = recorders.filter(({ isServed }) => !isServed)
    return {
      served: recorders.length - waiting.length,
      handed: recorders.reduce((sum, { handed }) => sum + handed, 0),
      waiting: waiting.slice(0, 3).map(({ waitsFor }) => waitsFor),
    }
  },
  end: async (_: null): Promise<void> => {
    await Promise.all(recorders.map((recorder) => recorder.close()))
    story.close()
  },
}
export type ClientHandlers = typeof handlers

answer(handlers)
