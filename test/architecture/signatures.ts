/** Comments, strings and regular expressions, which may have brackets that stand for nothing. */
const noCode = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g
const boolean = /(?<!\b(?:let|const) )\b(\w+)(?:\??: boolean\b(?!\[)| = (?:true|false)\b)/g
const opening = new Map([
  [')', '('],
  ['}', '{'],
  [']', '['],
])

/** The bracket that the place is directly within; undefined at the top. */
function enclosing(code: string, place: number): string | undefined {
  const closed: string[] = []
  for (let i = place - 1; i >= 0; i--) {
    const each = code[i]!
    const opens = opening.get(each)
    if (opens !== undefined) closed.push(opens)
    else if (closed.at(-1) === each) closed.pop()
    else if (each === '(' || each === '{' || each === '[') return each
  }
  return undefined
}

/** Parameters of functions, methods, constructors and function types that are booleans without a name at the call. */
export function booleanParameters(text: string): string[] {
  const code = text.replaceAll(noCode, (each) => each.replaceAll(/[^\n]/g, ' '))
  return [...code.matchAll(boolean)].flatMap((found) => (enclosing(code, found.index) === '(' ? [found[1]!] : []))
}
