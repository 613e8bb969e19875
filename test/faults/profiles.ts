import type { Random } from '../../src/base/random.ts'

/** Who follows what, and how: drawn from the seed. */

export const stream = 'faults'
const groups = 20
const perGroup = 20
/** All subjects that events are published to. */
export const subjects = Array.from({ length: groups * perGroup }, (_, i) => {
  return `${stream}.${i % groups}.${Math.floor(i / groups)}`
})

export const wayNames = ['websocket', 'websocket protobuf', 'sse', 'poll'] as const
export type WayName = (typeof wayNames)[number]

/** One place to connect to: a gateway, or a proxy before it. */
export interface Door {
  readonly gateway: number
  readonly port: number
}

export interface Profile {
  readonly number: number
  readonly subjects: readonly string[]
  /** In order of preference. */
  readonly ways: readonly WayName[]
  /** In order of preference. */
  readonly doors: readonly Door[]
}

/** One in so many follows all of a group; one in so many everything. */
const wholeGroup = 16
const everything = 125

export function drawProfiles(count: number, doors: readonly Door[], random: Random): Profile[] {
  return Array.from({ length: count }, (_, number) => {
    const way = wayNames[number % wayNames.length]!
    // Every second one may change the way where no gateway answers.
    const ways = number % 8 < 4 ? [way] : [way, ...(['sse', 'poll'] as const).filter((other) => other !== way)]
    return { number, subjects: drawSubjects(number, random), ways, doors: drawDoors(number, doors, random) }
  })
}

function drawSubjects(number: number, random: Random): string[] {
  const group = Math.floor(random.next() * groups)
  // Numbers that differ from profile to profile of the same way.
  const turn = Math.floor(number / wayNames.length)
  if (turn % (everything / 4) === 0) return [`${stream}.>`]
  if (turn % (wholeGroup / 4) === 0) return [`${stream}.${group}.*`]
  const chosen = new Set<string>()
  while (chosen.size < 3) chosen.add(subjects[Math.floor(random.next() * subjects.length)]!)
  return [...chosen]
}

/** The first by turns, three in four with a second one to turn to, of another gateway. */
function drawDoors(number: number, doors: readonly Door[], random: Random): Door[] {
  const first = doors[Math.floor(number / 8) % doors.length]!
  const others = doors.filter(({ gateway }) => gateway !== first.gateway)
  return random.next() < 0.25 ? [first] : [first, others[Math.floor(random.next() * others.length)]!]
}
