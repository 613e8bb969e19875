import type { SourceKind } from './simulated-source.ts'

type FailedSeed = readonly [seed: number, showed: string]

/** Seeds of small histories over the model of the contract that broke a promise once, with what each of them showed. */
const overModel: readonly FailedSeed[] = [
  [5_001_689, 'a gateway that has not heard of a rewrite names a position of the older history to those who share it'],
  [5_006_713, 'a stream is created again with other partitions, and a position in one of them is only carried along'],
  [5_008_012, 'a subject comes back to a partition whose log ends below the position that its client has there'],
  [5_469, 'a tab hears of nothing while the connection of the tab that leads is dead'],
  [6_327, '`last` for several subjects tells of a budget in a partition that only some of them read, and found theirs'],
  [
    20_114,
    'a tab without the connection is told `repartitioned` by the other tab, and is handed again what it had had',
  ],
  [20_256, '`last` for a pattern and a subject over SSE: the gap ends behind the oldest event that the subject gets'],
  [20_839, 'a program goes on with a stored position of a log before the one that it had heard of'],
  [1_006_697, 'a log begins with offsets without records, behind records that are gone before a gateway sees it come'],
  [1_003_943, 'a log is made anew with more partitions, while a position of another stream comes between its gaps'],
  [4_075_758_066, 'a ref is refused while the word that its tab let it go is on its way'],
  [2_565_228_677, 'who goes over to a better transport finds a gateway full of its own connections'],
  [1_002_079, 'an event without a ref, of a subject that moved away, is held for who catches up below a rewrite'],
  [
    2_716_668_087,
    'a stream is created again and grows, and a gateway that lags says fewer partitions than its client knew: one comes again',
  ],
  [
    9_200_721,
    'over SSE a subject comes back to a partition that was cut back: its token goes forth again before it is told',
  ],
  [1_005_443, 'a program takes its leave while a handler is at work, which counts once it is done'],
  [1_008_198, 'the same, and its position is stored behind what the handler had in hand'],
  [1_962_475_528, 'the gap of expired events counts only the last ones, which were asked for'],
  [
    2_001_226,
    'one request for several who know different incarnations, as gateways disagree which is present: some hear of no new log',
  ],
  [3_002_578, 'the same, where a request names two incarnations and only the handlers say who stands in which'],
  [
    11_005_056,
    'gateways disagree which log is present: two who share a request know both, and stand in different ones in a partition',
  ],
  [
    11_003_404,
    'a client tries a WebSocket at one gateway while it polls another one: the checker held both against one clock',
  ],
  [1_800_560_163, 'who asks for last events is led back to the log before by a gateway that lags'],
  [9_500_288, 'an empty answer to a long-poll is taken for a live one, while the last events are on their way'],
  [4_000_064, 'polls of a second each, whose position is beyond the end of the log: none lasts until that is certain'],
  [4_007_734, 'a log was rewritten and ends with a record that nobody can read, below the position of who comes back'],
  [
    4_008_666,
    'a poll for the last events goes on at a gateway that has not heard of their partition: it is live there',
  ],
  [
    10_001_720,
    'some of the last events are rewritten away before they are given, above the place where their reader is',
  ],
  [
    12_000_094,
    'a poll for the last events goes on at a gateway that has not read the newest of them: it is live there',
  ],
  [
    13_008_327,
    'two who share a request come into a new partition, in which a third stood already: told the second time, they are led on to where that one stood',
  ],
  [13_022_757, 'the same, at a gateway that has not heard what retention took of the new partition'],
  [
    11_007_674,
    'a position is left of a partition that the new log does not have: who stood beyond a rewrite shares a request that names both logs',
  ],
  [
    13_005_283,
    'a gap is owed while the log is rewritten below it: it led to where the next gap does, before that was told',
  ],
  [
    13_004_671,
    '`last` for a subject and a pattern over SSE: only the search for the pattern ended above the first event',
  ],
  [
    13_038_043,
    'a gateway that reads the new log leaves out of its token how many partitions of the old one its client was told of, though that stands there',
  ],
  [
    13_021_598,
    'retention takes the second to last event before a gateway reads it, which then finds too few for `last`',
  ],
  [
    13_012_701,
    'a new log begins with an aborted transaction: a gateway that reads it in one go told retention to who stands in it',
  ],
  [
    13_006_065,
    'an inbox of three fills up with the first gaps of four partitions that are new to its client, and each next poll tells the same ones',
  ],
  [
    13_030_590,
    'a gateway that has not heard of a later history tells offsets without records as retention, and that history has records there',
  ],
  [
    13_005_938,
    'a gateway reads a partition again for what belongs there since there are more: it forgot of when the records of a rewritten log were',
  ],
  [
    17_014_045,
    'a subject comes into a partition that its position names already: another tab hands over a gap without a token',
  ],
  [
    17_033_279,
    'the first position of a poll from `earliest` is of before a rewrite, and the next poll shares a position below it',
  ],
  [
    17_009_131,
    'a device comes online again after all has healed: for a moment its client has two polls at a gateway, whose last place a stranger has',
  ],
  [
    17_025_780,
    'a stream grows while a client reads again over SSE what it has had: what lay above the gap came to it twice',
  ],
  [
    18_002_329,
    'over SSE, the connection is lost while last events come, and the log is rewritten from one of them on: what took their place was no news',
  ],
  [
    18_015_631,
    'over a WebSocket a subject leaves a partition while its client is ahead of the gateway there, comes back, and is given again what it had',
  ],
  [
    19_006_933,
    'a poll answers for two, one of which has no room for it: the one that is left took its place in another partition',
  ],
  [
    19_005_036,
    'a gateway reads one more of the last events while the poll for them is on its way, and the next poll reaches one that has not: it is live without',
  ],
  [
    18_014_411,
    'a stream is created again with more partitions, and a tab whose program ends behind the first gap takes all of them for told',
  ],
  [
    19_026_895,
    'a poll answers for two, one of which has a place in a log that the other was not told of: what came first in the answer carried the other past it',
  ],
  [
    19_044_745,
    'gateways disagree which log is present, and a poll is left at the gap that leads back to the older one: the checker took its client to stand there',
  ],
  [
    21_017_266,
    'polls for several go on from the place of who had no room, and the log is rewritten between it and one further on, who dropped what came new',
  ],
  [
    22_002_374,
    'an SSE client stands in a partition that its subject has left, which was rewritten: asked for alone at each gap there, it never comes to the rest',
  ],
  [
    22_000_222,
    'a gateway that had read offsets without records says no generation, and hears of a rewrite before its answer is there',
  ],
  [
    23_034_276,
    'over SSE a subject leaves a partition where the others of its client carry its place on, comes back, and does not hear of a rewrite below',
  ],
  [
    23_039_268,
    'a tab begins again while the connection still serves its former program: a gap that leads back to an older log comes to it by two refs',
  ],
  [
    23_039_658,
    "a subject leaves a partition that a pattern of its connection reads at a gateway further behind: that reader's gap moved its place back",
  ],
  [
    24_032_973,
    'over SSE a log was rewritten between the place that all share and the one of a subscription, and no position came from in between',
  ],
  [
    208_256_513,
    'gateways disagree which log is present, and a guest tab asks again from the older one behind two gaps that came at once: it seemed to have taken the first',
  ],
  [
    25_008_827,
    'gateways disagree which log is present, and a program that was led back to the older one ends there: what it had handled of that one seemed to be owed again',
  ],
  [
    4_051_027_474,
    'a gateway that has read nothing of a log yet looks through all of it for `last`, and tells of a budget at offset 0: that log begins at 1',
  ],
  [
    26_003_183,
    'after one half-open WebSocket the next one is waited for four times as long, although everything missed had arrived on it',
  ],
]

/** The seeds of each source. */
export const failedSeeds: Readonly<Record<SourceKind, readonly FailedSeed[]>> = {
  model: overModel,
  jetstream: [
    [
      198,
      'what is read back below the index of a gateway whose tail has not noticed a rewrite yet is of the new history',
    ],
    [20_403, 'a token is judged where retention took the place in which the logs part: the gap goes on behind it'],
    [
      20_405,
      'a stream is created again while last events are waited for: who is live at its head counts as behind for good',
    ],
  ],
  kafka: [
    [111, 'what the broker refuses to read is passed in a chunk, whose log seems to end at 0'],
    [20_110, 'retention takes all of a newer history up to where a tail stands in the older one'],
    [20_244, 'a gateway lets clients in while its stream is not there yet, and the log is rewritten meanwhile'],
    [20_317, 'offsets without records lie before a batch that the broker refuses to read'],
    [21_335, 'what a tail reads again ends where it had been: who is ahead of the gateway waits for it in vain'],
    [21_512, 'a new log begins with the marker of a transaction, of which retention is told to who stands there'],
    [21_817, 'a stream is created again, and what was published to it before is written behind what was later'],
    [21_719, 'a tail that has read nothing yet: retention takes the place in which the logs part'],
    [20_394, 'a gateway reads back by age what a former leader has, which is older than what was written since'],
    [4_000_085, 'a rewrite takes the marker of an aborted transaction whose producer has begun another one since'],
  ],
  embedded: [
    [20_044, 'a damaged block that retention is past may reach up to the head, the block behind it being gone'],
  ],
}
