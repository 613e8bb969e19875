import { readdirSync, readFileSync } from 'node:fs'

const folder = new URL('../../docs/', import.meta.url)

/** Names of the pages of docs/, `protocol.md`. */
export const pages: readonly string[] = readdirSync(folder).filter((name) => name.endsWith('.md'))

/** Those beside docs/, as `readPage` takes them. */
export const rootPages: readonly string[] = ['README', 'ARCHITECTURE', 'CONTRIBUTING', 'CHANGELOG'].map(
  (name) => `../${name}.md`,
)

export function readPage(name: string): string {
  return readFileSync(new URL(name, folder), 'utf8')
}

export interface CodeBlock {
  readonly language: string
  readonly text: string
}

/** Fenced blocks, also those that are indented under a list's item. */
export function codeBlocks(text: string, language?: string): CodeBlock[] {
  const blocks = [...text.matchAll(/^( *)```(\w*)\n([\s\S]*?)^\1```$/gm)].map(([, indent, name, body]) => {
    return { language: name!, text: body!.replaceAll(new RegExp(`^${indent}`, 'gm'), '') }
  })
  return blocks.filter((block) => language === undefined || block.language === language)
}

/** The text without its fenced blocks. */
export function prose(text: string): string {
  return text.replaceAll(/^( *)```\w*\n[\s\S]*?^\1```$/gm, '')
}

interface Heading {
  readonly title: string
  readonly level: number
  readonly at: number
}

/** Headings in order; a `#` inside of a fenced block is none. */
export function headings(text: string): Heading[] {
  const blank = (block: string) => block.replaceAll(/[^\n]/g, ' ')
  const visible = text.replaceAll(/^( *)```\w*\n[\s\S]*?^\1```$/gm, blank)
  return [...visible.matchAll(/^(#+) (.+)$/gm)].map((match) => {
    return { title: match[2]!, level: match[1]!.length, at: match.index }
  })
}

/** What stands under a heading, up to the next one of its level or above. */
export function section(text: string, title: string): string {
  const all = headings(text)
  const index = all.findIndex((heading) => heading.title === title)
  const start = all[index]
  if (start === undefined) throw new Error(`expected a heading "${title}", found ${all.map((each) => each.title)}`)
  const end = all.slice(index + 1).find(({ level }) => level <= start.level)
  return text.slice(start.at, end?.at)
}

/** Rows of all tables, cells trimmed, without heads and rulers. */
export function tables(text: string): string[][][] {
  const runs = [...prose(text).matchAll(/(?:^\|.*\n?)+/gm)].map(([run]) => run.trimEnd().split('\n'))
  return runs.map((lines) => {
    return lines.slice(2).map((line) => {
      const cells = line.slice(1, -1).split(/(?<!\\)\|/)
      return cells.map((cell) => cell.trim())
    })
  })
}

/** `` `text` `` → `text`. */
export function uncode(cell: string): string {
  return cell.replaceAll('`', '')
}

/** GitHub's anchor of a heading. */
export function anchor(title: string): string {
  const plain = title.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
  return plain.replaceAll(' ', '-')
}
