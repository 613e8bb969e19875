import { setTimeout as delay } from 'node:timers/promises'
import type { CrowdAnswer, CrowdOrder } from './crowd.ts'
import { Recorder } from './recorder.ts'
import { StoryFile } from './story.ts'

/** One process of clients, at its parent's command; it ends with its parent. */

/** Clients that begin together, and the time until the next ones do, ms. */
const together = 10
const pauseMs = 20

const recorders: Recorder[] = []
let file: StoryFile | undefined

async function obey(order: CrowdOrder): Promise<CrowdAnswer> {
  switch (order.kind) {
    case 'begin':
      file = new StoryFile(order.file)
      for (const person of order.people) {
        recorders.push(new Recorder(person, file))
        if (recorders.length % together === 0) await delay(pauseMs)
      }
      break
    case 'end':
      await Promise.all(recorders.map((recorder) => recorder.close()))
      file?.close()
      break
    case 'look':
  }
  const waiting = recorders.filter(({ isServed }) => !isServed)
  return {
    served: recorders.length - waiting.length,
    handed: recorders.reduce((sum, { handed }) => sum + handed, 0),
    waiting: waiting.slice(0, 3).map(({ waitsFor }) => waitsFor),
  }
}

process.on('message', (order: CrowdOrder) => {
  void obey(order).then((answer) => process.send!(answer))
})
process.on('disconnect', () => process.exit())
