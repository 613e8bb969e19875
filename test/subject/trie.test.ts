import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matches } from '../../src/subject/subject.ts'
import { PatternTrie } from '../../src/subject/trie.ts'

function found<Value>(trie: PatternTrie<Value>, subject: string): Value[] {
  const values: Value[] = []
  trie.match(subject, (value) => values.push(value))
  return values
}

test('a value is found by the subjects that its pattern matches', () => {
  const trie = new PatternTrie<string>()
  for (const pattern of ['a.*', 'a.>', '*.b', '>', 'a.b', 'c.*']) trie.add(pattern, pattern)
  assert.deepEqual(found(trie, 'a.b').sort(), ['*.b', '>', 'a.*', 'a.>', 'a.b'])
  assert.deepEqual(found(trie, 'a'), ['>'])
  assert.deepEqual(found(trie, 'a.b.c').sort(), ['>', 'a.>'])
})

test('a pair is stored once, and removed', () => {
  const trie = new PatternTrie<number>()
  assert.equal(trie.add('a.*', 1), true)
  assert.equal(trie.add('a.*', 1), false)
  assert.equal(trie.add('a.*', 2), true)
  assert.equal(trie.size, 2)
  assert.equal(trie.remove('a.*', 1), true)
  assert.equal(trie.remove('a.*', 1), false)
  assert.equal(trie.remove('a.>', 2), false)
  assert.equal(trie.remove('x.y.z', 2), false)
  assert.deepEqual(found(trie, 'a.b'), [2])
})

test('removing a pattern keeps others that share its tokens', () => {
  const trie = new PatternTrie<string>()
  for (const pattern of ['a.b.>', 'a.b.*.d', 'a.b']) trie.add(pattern, pattern)
  trie.remove('a.b.*.d', 'a.b.*.d')
  assert.deepEqual(found(trie, 'a.b.c'), ['a.b.>'])
  assert.deepEqual(found(trie, 'a.b'), ['a.b'])
  assert.equal(trie.nodes, 2)
})

const token = fc.constantFrom('a', 'b', 'c')
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((list) => list.join('.'))
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 4 }), fc.boolean())
  .filter(([list, rest]) => list.length > 0 || rest)
  .map(([list, rest]) => (rest ? [...list, '>'] : list).join('.'))
const step = fc.record({ add: fc.boolean(), pattern, value: fc.nat(3) })

test('after any adds and removals the trie finds the same as matching each pattern', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), subject, (steps, text) => {
      const trie = new PatternTrie<number>()
      const pairs = new Map<string, { pattern: string; value: number }>()
      for (const { add, pattern, value } of steps) {
        const key = `${pattern} ${value}`
        assert.equal(add ? trie.add(pattern, value) : trie.remove(pattern, value), add !== pairs.has(key))
        if (add) pairs.set(key, { pattern, value })
        else pairs.delete(key)
      }
      const expected = [...pairs.values()].filter((pair) => matches(pair.pattern, text)).map(({ value }) => value)
      assert.deepEqual(found(trie, text).sort(), expected.sort())
      assert.equal(trie.size, pairs.size)
    }),
    { numRuns: 500 },
  )
})

test('removed patterns leave no nodes', () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 20 }), (patterns) => {
      const trie = new PatternTrie<string>()
      for (const text of patterns) trie.add(text, text)
      for (const text of patterns) trie.remove(text, text)
      assert.deepEqual([trie.size, trie.nodes], [0, 0])
    }),
  )
})
