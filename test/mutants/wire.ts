import type { Mutant } from './mutant.ts'

/** Eight bits of a stream's name, as tokens had of it once. */
const eightBits =
  '((h) => ((h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)), (h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)), (h ^ (h >>> 16)) >>> 24))'

export const wireMutants: readonly Mutant[] = [
  {
    name: 'of several tokens the first counts',
    file: 'wire/token.ts',
    from: 'for (const position of list) merged.set(keyOf(position), position)',
    to: 'for (const position of list) if (!merged.has(keyOf(position))) merged.set(keyOf(position), position)',
    by: { unit: 'test/wire/token.test.ts' },
    breaks: 'of several tokens that name one partition the last counts',
  },
  {
    name: 'JSON data of several lines breaks an event-stream',
    file: 'wire/delivery.ts',
    from: 'if (judged === jsonText.line) json.raw(event, start, end)\n      else json.rawOnOneLine(event, start, end)',
    to: 'json.raw(event, start, end)',
    by: { unit: 'test/wire/delivery.test.ts' },
    breaks: 'the data of a server-sent event is on one line',
  },
  {
    name: 'the form of the data is that of the last content type as long',
    file: 'wire/delivery.ts',
    from: 'if (type !== lastType) {',
    to: 'if (type.length !== lastType.length) {',
    by: { unit: 'test/wire/delivery.test.ts' },
    breaks: 'JSON, text and bytes are told as their content type says',
  },
  {
    name: 'an envelope may have two subjects',
    file: 'wire/envelope.ts',
    from: "      if (out.subjectLength > 0) return 'it has two subjects'\n",
    to: '',
    by: { unit: 'test/wire/envelope.test.ts' },
    breaks: 'an envelope that has two subjects is refused',
  },
  {
    name: 'a line end that is cut between two chunks counts twice',
    file: 'wire/sse-parser.ts',
    from: 'if (start === text.length) this.#afterCr = true\n      else if',
    to: 'if',
    by: { unit: 'test/wire/sse.test.ts' },
    breaks: 'an event-stream may be cut anywhere',
  },
  {
    name: 'a framed value that is not protobuf has the path of the one before',
    file: 'wire/confluent.ts',
    from: '    this.indexesLength = 0\n    if (!hasFrame',
    to: '    if (!hasFrame',
    by: { unit: 'test/wire/confluent.test.ts' },
    breaks: '`messageIndexes` is told of protobuf messages only',
  },
  {
    name: 'after one envelope that is too large all are',
    file: 'wire/envelope-writer.ts',
    from: '    this.length = 0\n    this.tooLarge = false',
    to: '    this.length = 0',
    by: { unit: 'test/wire/envelope-writer.test.ts' },
    breaks: 'a record that is too large is skipped, and no other',
  },
  {
    name: 'an unread offset of a gap is its count',
    file: 'wire/json.ts',
    from: "n: fields.optionalInteger('n', 0, Number.MAX_SAFE_INTEGER)",
    to: "n: fields.optionalInteger('to', 0, Number.MAX_SAFE_INTEGER)",
    by: 'simulation',
    breaks: '`n` of a gap is how many events were left out',
  },
  {
    name: 'two streams are one where they share eight bits of a hash of the name, to whoever follows them',
    file: 'wire/token.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a text of the source
    from: '`${nameHash}/${partition}/`',
    to: `\`\${${eightBits}(nameHash)}/\${partition}/\``,
    by: 'simulation',
  },
  {
    name: 'a partition is that of any stream which shares eight bits of a hash of the name',
    file: 'wire/token.ts',
    from: 'a.partition === b.partition && a.nameHash === b.nameHash',
    to: `a.partition === b.partition && ${eightBits}(a.nameHash) === ${eightBits}(b.nameHash)`,
    by: 'simulation',
  },
]
