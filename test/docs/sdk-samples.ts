import { headings, readPage, section } from './markdown.ts'

export interface Sample {
  /** The heading that it stands under. */
  readonly title: string
  readonly code: string
  /** What it prints, in lines. */
  readonly prints: readonly string[]
}

const page = readPage('sdk.md')
const inBrowser = section(page, 'In a browser')

/** The samples of docs/sdk.md, each with what it prints: those for Node, or those for a page. */
export function samples(where: 'node' | 'browser'): Sample[] {
  const text = where === 'browser' ? inBrowser : page.replace(inBrowser, '')
  return headings(text).flatMap(({ title }) => {
    const own = section(text, title).split(/^#+ /m)[1] ?? ''
    return [...own.matchAll(/^```js\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```/gm)].map(([, code, printed]) => {
      return { title, code: code!, prints: printed!.trimEnd().split('\n') }
    })
  })
}

/** Blocks of code in the page, whichever they are: none may be without a run. */
export const blocks = [...page.matchAll(/^```js\n/gm)].length
