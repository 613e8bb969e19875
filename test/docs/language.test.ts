import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import test from 'node:test'
import { commands, names, summaries } from '../../src/cli/commands.ts'
import { pages, prose, readPage, rootPages } from './markdown.ts'

/** Turns that read as translated, each with what to write. The tables of options, errors, limits and metrics are those of the code, so the pages cover them. */
const turns: readonly (readonly [RegExp, string])[] = [
  [/\b(?:is|are|was|were) told(?! (?:to|the|what)\b)/i, 'gets, receives, is reported'],
  [/\bwithout a word\b/i, 'silently'],
  [/\bmend(?:s|ed)?\b/i, 'fix'],
  [/(?<!there )\b(?:is|are) none\b(?! of)/i, 'is not a …'],
  [/\b(?:held|holds?) against\b/i, 'compare with, check'],
  [/\bso (?:many|long)\b(?! as)/i, 'this number of, for this time'],
  [/\b(?:lies|lie|stands?) (?:in|at|behind|below|there|above|before|beside)\b/i, 'is'],
  [/(?:^|[.;|] )who(?:ever)? [a-z]+s?\b/im, 'a client that …'],
  [/(?:^|[.;] )what [a-z]+ (?:is|are|has|comes|was)\b/im, 'a noun as the subject'],
]

/** Quotations of code and of messages are not ours to word here. */
const words = (text: string): string => prose(text).replaceAll(/`[^`]*`/g, '`…`')

async function helpOf(name: (typeof names)[number]): Promise<string> {
  const { command } = await commands[name]()
  let text = `${summaries[name]}\n`
  const help = command(async () => [])
  help.configureOutput({ writeOut: (part) => (text += part) }).outputHelp()
  return text
}

function assertPlain(where: string, text: string): void {
  for (const [turn, better] of turns) {
    const found = turn.exec(text)
    assert.equal(found?.[0], undefined, `${where}: write "${better}" in place of "${found?.[0]}"`)
  }
}

test('pages are in plain English', () => {
  assert.ok(pages.length > 15)
  for (const page of [...pages, ...rootPages]) assertPlain(page, words(readPage(page)))
})

test('help texts are in plain English', async () => {
  for (const name of names) {
    const text = await helpOf(name)
    assert.match(text, /Usage: carillon/)
    assertPlain(`carillon ${name} --help`, text)
  }
})

test('contracts, files for deployment, `make help` and the try-it page are in plain English', () => {
  const root = new URL('../../', import.meta.url)
  const folders = ['proto', 'deploy', 'src/edge/page']
  const found = folders.flatMap((folder) => {
    const entries = readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    return entries.map((entry) => `${folder}/${entry}`).filter((path) => statSync(new URL(path, root)).isFile())
  })
  assert.ok(found.length > 20)
  for (const path of [...found, 'Makefile']) {
    // Without the marks of comments, so that their lines are sentences.
    const text = readFileSync(new URL(path, root), 'utf8').replaceAll(/^\s*(?:#+|\/\/|\/?\*+)\s?/gm, '')
    assertPlain(path, text.replaceAll(/`[^`\n]*`/g, '`…`'))
  }
})
