import assert from 'node:assert/strict'
import { test } from 'node:test'
import { subjectHint } from '../../src/cli/subject-hints.ts'
import { validatePattern } from '../../src/subject/subject.ts'

test('an MQTT-style subject gets a hint with the subject that was probably meant', () => {
  const meant = (subject: string) => /Did you mean '(.*)'/.exec(subjectHint(subject) ?? '')?.[1]
  assert.equal(meant('home/kitchen/door'), 'home.kitchen.door')
  assert.equal(meant('home/+/door'), 'home.*.door')
  assert.equal(meant('/home/#'), 'home.>')
  assert.equal(meant('home.+.door'), 'home.*.door')
  assert.equal(meant('#'), '>')
  for (const subject of ['home/+/door', '#', 'a/b']) assert.doesNotThrow(() => validatePattern(meant(subject)!))
})

test('subjects that only contain such characters get no hint', () => {
  for (const subject of ['a.b', 'a.*.>', 'c++.a', 'issue#4.a', 'http.a/b', 'a'])
    assert.equal(subjectHint(subject), undefined)
})
