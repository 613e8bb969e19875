import { answer } from '../../src/bench/process/child.ts'
import { type AttackName, attacks } from './attacks.ts'
import { type Aim, done } from './sockets.ts'

/**
 * Entry point of a process that carries out one attack until it is stopped or its time is over.
 */
const handlers = {
  begin: ({ name, aim, seconds }: { name: AttackName; aim: Aim; seconds: number }): void => {
    setTimeout(() => process.exit(), seconds * 1000)
    attacks[name].begin(aim)
  },
  done: (_: null) => done,
}
export type AttackerHandlers = typeof handlers

answer(handlers)
